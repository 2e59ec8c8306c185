"""The card of a set of weights: what it is, how it was made, what it can do, in one JSON file beside it."""

from pathlib import Path
from typing import Any

from turncoat.kernels.files import write_json
from turncoat.kernels.version import VERSION
from turncoat.training.checkpoint import Network

LICENCE = "Apache-2.0; trained on rendered frames alone (bodies: MakeHuman, CC0; motions: the dataset's attributions)"


def make_card(network: Network, evaluation: dict[str, Any]) -> dict[str, Any]:
    """The card of `network` with the numbers of `evaluation` (what `turncoat.training.evaluate.evaluate` returns)."""
    metadata = network.metadata
    fit = metadata.get("fit", {})
    regressor = metadata.get("regressor", {})
    parameters = {name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()}
    return {
        "kind": "card",
        "name": network.path.stem,
        "licence": LICENCE,
        "version": VERSION,
        "file": {"name": network.path.name, "bytes": network.path.stat().st_size, "sha256": network.weights_hash},
        "method": metadata.get("method"),
        "network": network.settings.model_dump(mode="json"),
        "parameters": parameters | {"without_regressor": sum(parameters.values()) - parameters.get("regressor", 0)},
        "training": {
            "command": metadata.get("command"),
            "images": metadata.get("images"),
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
        "evaluation": evaluation,
    }


def card_path(network: Network) -> Path:
    """Where the card of `network` lies: beside its file, as <name>.json."""
    return network.path.with_suffix(".json")


def write_card(network: Network, evaluation: dict[str, Any]) -> Path:
    """Write the card of `network`, over an older one if there is one; returns its path."""
    path = card_path(network)
    write_json(path, make_card(network, evaluation))
    return path
