"""The card of a set of weights: what it is, how it was made, what it can do, in one JSON file beside it.

Cards are written by the program, from the weights' own metadata, the training run, the evaluation, the label study and
the attacks; never by hand. A part that was measured on other weights is never kept. Nothing here needs PyTorch, so
listing cards is quick.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from turncoat.kernels.errors import DataError
from turncoat.kernels.files import write_text
from turncoat.kernels.version import VERSION
from turncoat.training.limits import known_limits

if TYPE_CHECKING:
    from turncoat.training.checkpoint import Network

LICENCE = "Apache-2.0; trained on rendered frames alone (bodies: MakeHuman, CC0; motions: the dataset's attributions)"
ORDER = (
    "nsd",
    "nsd-wide",
    "cssl",
    "cssl-da",
    "drnet",
    "ugar",
    "nsd-decorrelated",
    "cssl-decorrelated",
    "supervised",
    "judge",
)
"""The order of networks in tables; others follow by name."""
PARTS = ("evaluation", "labels", "attacks", "trend", "run")
"""What is measured apart from the weights and kept from one writing to the next, while the weights are the same."""
DIGITS = 5
"""Significant digits of the numbers in a card: more than any interval is narrow."""


def make_card(network: Network, **parts: Any) -> dict[str, Any]:
    """The card of `network` with what was measured on it.

    parts: `evaluation` (what `turncoat.training.evaluate.evaluate` returns), `labels` (`study_labels`), `attacks`
        (setting -> numbers), `trend` (`snapshot_trend`), `run` (`run_facts`); each may be missing or None.
    """
    metadata = network.metadata
    fit, regressor, run = (metadata.get("fit") or {}), (metadata.get("regressor") or {}), parts.get("run") or {}
    images, batch = metadata.get("images"), fit.get("batch")
    parameters = {name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()}
    card = {
        "kind": "card",
        "name": network.path.stem,
        "licence": LICENCE,
        "version": VERSION,
        "file": {
            "name": network.path.name,
            "bytes": network.path.stat().st_size,
            "sha256": network.weights_hash,
            "tensors_sha256": tensors_hash(network.path),
        },
        "method": metadata.get("method"),
        "network": network.settings.model_dump(mode="json"),
        "parameters": parameters | {"without_regressor": sum(parameters.values()) - parameters.get("regressor", 0)},
        "training": {
            "command": metadata.get("command"),
            "images": images,
            "steps": images // batch if images and batch else None,
            "seconds": metadata.get("training_seconds") or run.get("seconds"),
            "machine": metadata.get("machine") or run.get("machine"),
            "warnings": run.get("warnings"),
            "dataset": metadata.get("dataset"),
            "settings": fit,
            "method_settings": metadata.get("method_settings"),
        },
        "regressor": {
            "command": regressor.get("command"),
            "labels": metadata.get("labels"),
            "settings": {name: value for name, value in regressor.items() if name not in ("command", "report")},
            "report": regressor.get("report"),
        },
        **{name: parts.get(name) for name in PARTS if name != "run"},
    }
    card["limits"] = known_limits(card)
    return tidy(card)


def update_card(network: Network, **parts: Any) -> Path:
    """Write the card of `network`, with `parts` (see `make_card`) beside those that its present card has; its path.

    What the present card says of other weights is dropped: a part stays only if the tensors are the same.
    """
    path = card_path(network)
    kept: dict[str, Any] = {}
    if path.exists():
        present = read_card(path)
        file = present.get("file") or {}
        if network.weights_hash == file.get("sha256") or tensors_hash(network.path) == file.get("tensors_sha256"):
            kept = {name: present.get(name) for name in PARTS}
            training = present.get("training") or {}
            kept["run"] = {name: training.get(name) for name in ("seconds", "machine", "warnings")}
    found = kept | {name: value for name, value in parts.items() if value is not None}
    write_text(path, card_text(make_card(network, **found)))
    return path


def card_path(network: Network) -> Path:
    """Where the card of `network` lies: beside its file, as <name>.json."""
    return network.path.with_suffix(".json")


def read_card(path: str | Path) -> dict[str, Any]:
    """A card from its file; DataError if it is missing, not JSON or not a card."""
    try:
        card = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not a card ({error}); write it again with `turncoat model-card`.") from error
    if not isinstance(card, dict) or card.get("kind") != "card":
        raise DataError(f"{path} is JSON but not a card of weights; choose another file.")
    return card


def cards_in(folder: str | Path | None = None) -> dict[str, dict[str, Any] | None]:
    """Name -> card of every set of weights in a folder, in the order of tables; None where weights have no card.

    folder: the shipped weights, where None. Cards without weights (further seeds) count too; other JSON does not.
    """
    folder = Path(__file__).parent / "weights" if folder is None else Path(folder)
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}; give one that holds weights and their cards.")
    found: dict[str, dict[str, Any] | None] = {file.stem: None for file in folder.glob("*.safetensors")}
    for file in folder.glob("*.json"):
        try:
            found[file.stem] = read_card(file)
        except DataError:
            if file.stem in found:
                raise
    place = {name: number for number, name in enumerate(ORDER)}
    return {name: found[name] for name in sorted(found, key=lambda name: (place.get(name, len(place)), name))}


def run_facts(folder: str | Path) -> dict[str, Any]:
    """Time, machine and warnings of a training run's folder: ``{seconds, machine, warnings}``, None where it is silent.

    seconds: summed over log.jsonl, every line's images at that line's rate, so pauses between sessions do not count.
    warnings: sentences, each once.

    Raises:
        DataError: the folder holds no training run.
    """
    folder = Path(folder)
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        log = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
        lines = [json.loads(line) for line in log]
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} is not the folder of a training run ({error}); give one with run.json.") from error
    seconds, before = 0.0, 0
    for line in lines:
        if line.get("images_per_s"):
            seconds += (line["images"] - before) / line["images_per_s"]
        before = line.get("images", before)
    warnings = list(dict.fromkeys(line["warning"] for line in lines if "warning" in line))
    return {"seconds": seconds or None, "machine": run.get("machine"), "warnings": warnings}


def tensors_hash(path: Path) -> str:
    """SHA-256 of the tensors in a safetensors file: what the weights are, whatever its header says of them."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
        file.seek(8 + header)
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


_PATH = re.compile(r"(?<![\w/.:~\\])(?:~\w*|[A-Za-z]:|\.\.)?[/\\][^\s'\",;=]+")


def tidy(value: Any) -> Any:
    """`value` as a card says it: paths of this machine become file names, numbers are rounded, NaN is null.

    Absolute paths and those that leave their folder are cut down to their last part, wherever they stand in a
    sentence or a command; relative ones stay.
    """
    if isinstance(value, str):
        return _PATH.sub(lambda found: re.split(r"[/\\]", found.group().rstrip("/\\"))[-1], value)
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {tidy(str(name)): tidy(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [tidy(each) for each in value]
    return value


def card_text(value: Any, indent: str = "") -> str:
    """JSON in which an object or list that holds only plain values is one line: a third of the lines of the usual."""

    def text(plain: Any) -> str:
        return json.dumps(plain, ensure_ascii=False, allow_nan=False)

    end = "" if indent else "\n"
    inner = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(inner, list) or not any(isinstance(each, dict | list) and each for each in inner):
        return text(value) + end
    deeper = indent + " "
    names = [f"{text(name)}: " for name in value] if isinstance(value, dict) else [""] * len(inner)
    items = [f"{deeper}{name}{card_text(each, deeper)}" for name, each in zip(names, inner, strict=True)]
    first, last = "{}" if isinstance(value, dict) else "[]"
    return first + "\n" + ",\n".join(items) + "\n" + indent + last + end
