"""Engines of a bundle on disk, found by what they were built from.

bundle/engines/<key>/  engine.plan    what TensorRT serialised, and nothing else (a prefix breaks other tools)
                       engine.json    what it is: the parts of its key, the plan's hash, how it was built
                       runtime.cache  what TensorRT-RTX compiled where it ran, if it ran

The key is the SHA-256 of everything that decides what an engine computes: the graph with its weights, the precision
recipe, the profile, the flavour and its version, driver and GPU. A folder appears under its key once it is complete.
"""

import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turncoat.export.bundle import Bundle
from turncoat.export.gpu import Gpu
from turncoat.kernels import ConfigError, DataError
from turncoat.kernels.files import content_hash

FORMAT = 1
FOLDER = "engines"
PLAN, SIDECAR, RUNTIME_CACHE = "engine.plan", "engine.json", "runtime.cache"
TEMPORARY = ".tmp-"
AHEAD_OF_TIME = "ahead of time"
RECIPE = "strongly typed, TF32 off"
"""What the builder is told about precision: the types of the graph are obeyed, float32 is multiplied as float32."""

_PREFERRED = 8  # the batch that a graph with a free one is tuned for


@dataclass(frozen=True)
class Target:
    """What an engine is built for.

    Attributes:
        capability: "sm89".
        device: the GPU's name, or the capability where any GPU of it will do.
        driver: its version, or "ahead of time".
    """

    capability: str
    device: str
    driver: str

    @classmethod
    def of_capability(cls, capability: str) -> "Target":
        """Any GPU of this capability."""
        return cls(capability, capability, AHEAD_OF_TIME)

    @classmethod
    def of_gpu(cls, gpu: Gpu) -> "Target":
        """This GPU under this driver."""
        return cls(gpu.capability, gpu.name, gpu.driver)


@dataclass(frozen=True)
class EngineRecord:
    """An engine in the cache.

    Attributes:
        folder: where it lies; its name is the key.
        info: engine.json as it is.
    """

    folder: Path
    info: dict[str, Any]

    @property
    def key(self) -> str:
        """SHA-256 over `parts`."""
        return self.info["key"]

    @property
    def parts(self) -> dict[str, Any]:
        """What the key is made of: graph (a hash), recipe, profile, flavour, version, driver, device, capability."""
        return self.info["parts"]

    @property
    def graph(self) -> str:
        """The graph's name, e.g. "attack-b8"."""
        return self.info["graph"]

    @property
    def flavour(self) -> str:
        """ "tensorrt" or "tensorrt-rtx"."""
        return self.parts["flavour"]

    @property
    def version(self) -> str:
        """The TensorRT that built it."""
        return self.parts["version"]

    @property
    def target(self) -> Target:
        """What it was built for."""
        return Target(self.parts["capability"], self.parts["device"], self.parts["driver"])

    @property
    def plan(self) -> Path:
        """The file that TensorRT reads."""
        return self.folder / PLAN

    @property
    def size(self) -> int:
        """Bytes of the plan."""
        return self.info["plan"]["bytes"]

    def read(self) -> bytes:
        """The plan; DataError if it is not the one that was built."""
        problem = self.damage()
        if problem is not None:
            raise DataError(problem)
        return self.plan.read_bytes()

    def damage(self, *, hashes: bool = True) -> str | None:
        """What is wrong with its files, as a sentence; None if nothing is. Without `hashes` only sizes are compared."""
        advice = "remove it with `turncoat engines prune`, it will be built again."
        if self.key != self.folder.name or key_of(self.parts) != self.key:
            return f"The engine {self.folder} was changed or copied from elsewhere (its key is another's); {advice}"
        if not self.plan.is_file():
            return f"The engine {self.folder} has no {PLAN}; {advice}"
        size = self.plan.stat().st_size
        if size != self.size:
            return f"{self.plan} has {size} bytes, {self.size} were built: it is truncated or another file; {advice}"
        if hashes and content_hash(self.plan) != self.info["plan"]["sha256"]:
            return f"{self.plan} is not what was built (its hash differs); {advice}"
        return None


def key_of(parts: dict[str, Any]) -> str:
    """SHA-256 over the parts of a key."""
    return content_hash(json.dumps(parts, sort_keys=True).encode())


def parts_of(bundle: Bundle, graph: str, flavour: str, version: str, target: Target) -> dict[str, Any]:
    """What decides what an engine of this graph computes."""
    return {
        "graph": bundle.graph_hash(graph),
        "recipe": f"{bundle.precision}, {RECIPE}",
        "profile": profile_of(bundle, graph),
        "flavour": flavour,
        "version": version,
        "driver": target.driver,
        "device": target.device,
        "capability": target.capability,
    }


def profile_of(bundle: Bundle, graph: str) -> list[int] | None:
    """Smallest, preferred and largest batch of a graph with a free batch; None for one with a fixed batch."""
    if bundle.graphs[graph]["batch"] is not None:
        return None
    largest = bundle.batches[-1]
    return [1, min(_PREFERRED, largest), largest]


def engines_folder(bundle: Bundle) -> Path:
    """Where a bundle's engines lie; it need not exist."""
    return bundle.folder / FOLDER


def find_engine(bundle: Bundle, graph: str, flavour: str, version: str, target: Target) -> EngineRecord | None:
    """The engine of this graph for this target; None if there is none that is whole."""
    folder = engines_folder(bundle) / key_of(parts_of(bundle, graph, flavour, version, target))
    record = read_record(folder)
    return None if record is None or record.damage() else record


def read_record(folder: Path) -> EngineRecord | None:
    """The engine in `folder`; None if its sidecar is missing or is none of ours."""
    try:
        info = json.loads((folder / SIDECAR).read_text(encoding="utf-8"))
        if (info["format"], info["kind"]) != (FORMAT, "engine"):
            return None
        record = EngineRecord(folder, info)
        _ = (record.key, record.graph, record.flavour, record.version, record.target, record.size)
        _ = (record.info["plan"]["sha256"], record.parts["graph"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record


def store_engine(
    bundle: Bundle, graph: str, flavour: str, version: str, target: Target, plan: Any, **facts: Any
) -> EngineRecord:
    """Put a plan into the cache, in place of a damaged one of the same key.

    plan: bytes, or anything with a buffer. facts: more for the sidecar (seconds, versions, machine).

    Raises:
        ConfigError: the bundle cannot be written.
    """
    parts = parts_of(bundle, graph, flavour, version, target)
    parent, key = engines_folder(bundle), key_of(parts)
    temporary = parent / f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}"
    try:
        temporary.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(
            f"Engines cannot be kept in {parent} ({error.strerror}); copy the bundle elsewhere."
        ) from error
    try:
        data = memoryview(plan)
        info = {
            "format": FORMAT,
            "kind": "engine",
            "key": key,
            "graph": graph,
            "bundle": bundle.name,
            "parts": parts,
            "plan": {"sha256": content_hash(bytes(data)), "bytes": data.nbytes},
            **facts,
        }
        _write(temporary / PLAN, data)
        _write(temporary / SIDECAR, (json.dumps(info, indent=2) + "\n").encode())
        folder = parent / key
        record = read_record(folder)
        if folder.exists() and (record is None or record.damage()):
            shutil.rmtree(folder)
        try:
            temporary.rename(folder)
        except OSError:  # another process finished the same engine first
            if read_record(folder) is None:
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    found = read_record(folder)
    assert found is not None
    return found


def _write(path: Path, data: Any) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
