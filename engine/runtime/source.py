"""What a session can be opened on: an exported bundle, or weights that were never exported."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from turncoat.export.attack_step import Objective
from turncoat.export.bundle import Bundle, is_bundle, open_bundle
from turncoat.export.exporter import BATCHES
from turncoat.export.fold import folded
from turncoat.export.graphs import Graph, graphs_of
from turncoat.kernels import DataError
from turncoat.training.checkpoint import Network, load_network


@dataclass(frozen=True)
class Unexported(Bundle):
    """Weights as a bundle without files: everything that PyTorch runs, nothing that other engines do."""

    def path(self, graph: str) -> Path:
        """DataError: there are no files."""
        raise DataError(f"{self.folder} are weights without graphs; make a bundle with `turncoat export`.")

    def record(self, **facts: Any) -> None:
        """Keep facts in memory."""
        self.info.update(facts)


def bundle_of(source: Bundle | Network | str | Path, *, objective: Objective = "squared") -> Bundle:
    """The bundle at a path, or weights (a network, a file, a shipped name) as an `Unexported` one.

    objective: what the gradients of weights are of; a bundle has its own.

    Raises:
        DataError: there is nothing there, or it is damaged.
    """
    if isinstance(source, Bundle):
        return source
    if not isinstance(source, Network):
        path = Path(source)
        if is_bundle(path) or path.name == "bundle.json":
            return open_bundle(path.parent if path.name == "bundle.json" else path)
        source = load_network(source)
    return _unexported(source, objective)


def _unexported(source: Network, objective: Objective) -> Unexported:
    network = folded(source)
    network.statistics, network.weights_hash = source.statistics, source.weights_hash
    network.metadata, network.path = source.metadata, source.path
    info = {
        "name": source.metadata.get("name") or source.path.stem,
        "preset": source.settings.preset,
        "precision": "fp32",
        "objective": objective,
        "batches": list(BATCHES),
        "settings": source.settings.model_dump(mode="json"),
        "has_regressor": source.has_regressor,
        "weights": {"hash": source.weights_hash, "name": source.path.stem, "metadata": source.metadata},
        "graphs": {
            name: facts
            for graph in graphs_of(network, objective=objective)
            for name, facts in _described(graph).items()
        },
        "files": {},
        "parity": {},
    }
    bundle = Unexported(source.path, info)
    bundle.__dict__["network"] = network  # in place of reading it from the bundle's file
    return bundle


def _described(graph: Graph) -> dict[str, dict[str, Any]]:
    """As bundle.json describes a graph, for every rung if it is a ladder."""

    def values(names: tuple[str, ...], tensors: tuple[Tensor, ...], batch: int | None) -> list[dict[str, Any]]:
        shapes = [
            list(t.shape) if n in graph.shared else [batch or "batch", *t.shape[1:]]
            for n, t in zip(names, tensors, strict=True)
        ]
        return [{"name": name, "shape": shape, "dtype": "float32"} for name, shape in zip(names, shapes, strict=True)]

    example = graph.example(1)
    rungs: tuple[int | None, ...] = BATCHES if graph.ladder else (None,)
    return {
        graph.name if rung is None else f"{graph.name}-b{rung}": {
            "file": None,
            "batch": rung,
            "inputs": values(graph.inputs, example, rung),
            "outputs": [{"name": name} for name in graph.outputs],
        }
        for rung in rungs
    }
