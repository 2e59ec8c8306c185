"""A trained network on disk as an inference engine wants it: graphs, one file of weights, and what they are.

bundle/  predict.onnx encode.onnx canvas.onnx decode.onnx paint.onnx   any batch
         attack-b8.onnx target-b8.onnx decode-vjp-b8.onnx ...          a ladder of fixed batches, gradients included
         weights.safetensors                                           all weights, once; the graphs point into it
         bundle.json                                                   what it is, hashes, parity of each backend
         engines/                                                      TensorRT plans (export.tensorrt)
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from turncoat.export.attack_step import Objective
from turncoat.export.fold import folded
from turncoat.export.weights import FILE
from turncoat.kernels import DataError
from turncoat.kernels.files import content_hash, write_json
from turncoat.training.checkpoint import Network, load_state, read_safetensors
from turncoat.training.networks import NetworkSettings
from turncoat.training.statistics import AppearanceStatistics

FORMAT = 1
MANIFEST = "bundle.json"
NETWORK = "network."
STATISTICS = "statistics."
PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16}
_REQUIRED: dict[str, type] = {
    **dict.fromkeys(("name", "preset", "precision", "objective"), str),
    **dict.fromkeys(("settings", "weights", "graphs", "files"), dict),
    "batches": list,
    "has_regressor": bool,
}


@dataclass(frozen=True)
class Bundle:
    """An exported network.

    Attributes:
        folder: where it lies.
        info: bundle.json as it is.
    """

    folder: Path
    info: dict[str, Any]

    @property
    def name(self) -> str:
        """What the network is called."""
        return self.info["name"]

    @property
    def precision(self) -> str:
        """ "fp32" or "fp16": what the layers of the graphs compute in."""
        return self.info["precision"]

    @property
    def objective(self) -> Objective:
        """What the gradient graphs differentiate: "squared" or "mpjpe"."""
        return self.info["objective"]

    @property
    def batches(self) -> tuple[int, ...]:
        """The rungs of the ladder, ascending."""
        return tuple(self.info["batches"])

    @property
    def settings(self) -> NetworkSettings:
        """The network's settings."""
        return NetworkSettings.load(None, self.info["settings"])

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the weights file that it was exported from."""
        return self.info["weights"]["hash"]

    @property
    def graphs(self) -> dict[str, dict[str, Any]]:
        """name -> {file, batch (None: any), inputs and outputs [{name, shape, dtype}]}; rungs are "attack-b8"."""
        return self.info["graphs"]

    def path(self, graph: str) -> Path:
        """The ONNX file of a graph; DataError names those there are."""
        if graph not in self.graphs:
            raise DataError(f"The bundle {self.folder} has no graph {graph!r}; it has {', '.join(self.graphs)}.")
        return self.folder / self.graphs[graph]["file"]

    def rungs(self, ladder: str) -> tuple[int, ...]:
        """The batches that a ladder ("attack", "target", "decode-vjp") comes in, ascending; empty if it has none."""
        return tuple(b for b in self.batches if f"{ladder}-b{b}" in self.graphs)

    def graph_hash(self, graph: str) -> str:
        """SHA-256 over a graph and the weights under it."""
        hashes = self.info["files"]
        joined = hashes[self.graphs[graph]["file"]]["sha256"] + hashes[FILE]["sha256"]
        return content_hash(joined.encode())

    @cached_property
    def network(self) -> Network:
        """The same network in PyTorch, batch norms folded, float32, from the same file of weights."""
        tensors, _ = read_safetensors(self.folder / FILE)
        network = Network(self.settings)
        if self.info["has_regressor"]:
            network.add_regressor()
        network = folded(network)
        own = {name.removeprefix(NETWORK): t for name, t in tensors.items() if name.startswith(NETWORK)}
        load_state(network, own, self.folder / FILE)
        facts = self.info["statistics"]
        if facts is not None:
            mean, factor = (tensors[STATISTICS + name] for name in ("mean", "factor"))
            network.statistics = AppearanceStatistics(mean, factor, facts["mean_radius"], facts["radius_p99"])
        network.metadata = self.info["weights"]["metadata"]
        network.weights_hash, network.path = self.weights_hash, self.folder
        return network.eval().requires_grad_(False)

    def record(self, **facts: Any) -> None:
        """Write more into bundle.json (`parity`), atomically."""
        self.info.update(facts)
        write_json(self.folder / MANIFEST, self.info)


def is_bundle(path: str | Path) -> bool:
    """Whether there is a bundle at `path`, in whatever state."""
    return (Path(path) / MANIFEST).is_file()


def open_bundle(folder: str | Path, *, check: bool = True) -> Bundle:
    """Open an exported network.

    check: read every file and compare it with its hash.

    Raises:
        DataError: there is none, it is of another format, or a file is missing, truncated or changed.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(f"{folder} is no bundle: it has no {MANIFEST}; make one with `turncoat export WEIGHTS --out`.")
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        found = (info["format"], info["kind"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}); export the network again.") from error
    if found != (FORMAT, "bundle"):
        raise DataError(f"{path} is a {found[1]} of format {found[0]}, expected a bundle of format {FORMAT}.")
    for name, kind in _REQUIRED.items():
        if not isinstance(info.get(name), kind):
            what = "lacks" if name not in info else "is wrong in"
            raise DataError(f"{path} is damaged (it {what} its entry {name!r}); export the network again.")
    for name, file in info["files"].items():
        if not (folder / name).is_file():
            raise DataError(f"The bundle {folder} lacks its file {name}; copy it completely or export it again.")
        if (folder / name).stat().st_size != file["bytes"] or (check and content_hash(folder / name) != file["sha256"]):
            raise DataError(
                f"{folder / name} is not the file that was exported (its hash differs); copy or export it again."
            )
    return Bundle(folder, info)
