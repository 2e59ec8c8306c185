"""From weights to a bundle."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from turncoat.export.attack_step import Objective
from turncoat.export.bundle import FORMAT, MANIFEST, NETWORK, PRECISIONS, STATISTICS, Bundle
from turncoat.export.fold import exact, folded
from turncoat.export.graphs import Graph, graphs_of
from turncoat.export.onnx_graph import Ladder, check_operators, forward_graph
from turncoat.export.weights import FILE, WeightPool, point
from turncoat.kernels import ConfigError, ExportError
from turncoat.kernels.files import content_hash, write_json
from turncoat.kernels.machine import machine, versions
from turncoat.training.checkpoint import Network, load_network
from turncoat.training.networks import Given

BATCHES = (1, 8, 32, 64)
_FOLDING_FRAMES = 8
_FOLDING_LIMIT_MM = 1e-6  # in float64, where rounding cannot hide a mistake

Progress = Callable[..., None]


def export_bundle(
    weights: str | Path | Network,
    out: str | Path,
    *,
    precision: str = "fp32",
    batches: tuple[int, ...] = BATCHES,
    objective: Objective = "squared",
    name: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Bundle:
    """Export a network, gradients of the attack included.

    Args:
        weights: a weights file, the name of shipped weights, or a network that was loaded from one.
        out: the folder to make. It appears once it is complete.
        precision: "fp32", or "fp16": layers in half precision, geometry, codes and errors in single.
        batches: batch sizes of the gradient graphs.
        objective: what the gradient graphs differentiate.
        name: what the network is called; by default as its file is.
        overwrite: replace a bundle that is there.
        progress: called as ``progress(done, total, graph=name)``.

    Returns:
        the bundle.

    Raises:
        ConfigError: an unknown precision or batch, or `out` is there already.
        DataError: the weights are missing or damaged.
        ExportError: a graph cannot be written; nothing is left behind.
    """
    out = Path(out)
    batches = tuple(sorted(set(batches)))
    if precision not in PRECISIONS:
        raise ConfigError(f"precision is {precision!r}; choose one of {', '.join(PRECISIONS)}.")
    if not batches or batches[0] < 1:
        raise ConfigError(f"Batch sizes are {', '.join(map(str, batches)) or 'none'}; give positive numbers.")
    _check_target(out, overwrite)
    source = weights if isinstance(weights, Network) else load_network(weights)
    begin = time.perf_counter()
    with _folder(out) as folder:
        network = folded(source)
        folding = folding_error(source)
        pool = WeightPool()
        for key, tensor in network.state_dict().items():
            pool.add(tensor, NETWORK + key)
        if source.statistics is not None:
            pool.add(source.statistics.mean, STATISTICS + "mean")
            pool.add(source.statistics.factor, STATISTICS + "factor")
        network.compute_dtype = PRECISIONS[precision]
        graphs = graphs_of(network, objective=objective, precision=precision)
        models, described = {}, {}
        total = len(graphs)
        for done, graph in enumerate(graphs):
            if progress is not None:
                progress(done, total, graph=graph.name)
            for key, batch, model in _models(graph, batches):
                check_operators(model, key)
                pool.take(model)
                models[key] = model
                described[key] = _described(model, f"{key}.onnx", batch)
        header = {"turncoat": json.dumps({"format": FORMAT, "kind": "bundle weights"})}
        where = pool.write(folder, header)
        for key, model in models.items():
            point(model, where)
            (folder / f"{key}.onnx").write_bytes(model.SerializeToString())
        files = [folder / FILE, *(folder / f"{key}.onnx" for key in models)]
        size = sum(file.stat().st_size for file in files)
        single = sum(tensor.numel() * 4 for tensor in source.state_dict().values())
        statistics = source.statistics
        info: dict[str, Any] = {
            "format": FORMAT,
            "kind": "bundle",
            "name": name or source.metadata.get("name") or source.path.stem,
            "method": source.metadata.get("method"),
            "preset": source.settings.preset,
            "precision": precision,
            "objective": objective,
            "batches": list(batches),
            "settings": source.settings.model_dump(mode="json"),
            "has_regressor": source.has_regressor,
            "units": "frames RGB in [0, 1]; poses mm, camera axes, relative to joint 0; objective of gradients in m",
            "weights": {"hash": source.weights_hash, "name": source.path.stem, "metadata": source.metadata},
            "statistics": None
            if statistics is None
            else {"mean_radius": statistics.mean_radius, "radius_p99": statistics.radius_p99},
            "folding_mm": folding,
            "graphs": described,
            "files": {file.name: {"sha256": content_hash(file), "bytes": file.stat().st_size} for file in files},
            "bytes": size,
            "bytes_over_weights": round(size / single, 3),
            "export_seconds": round(time.perf_counter() - begin, 1),
            "versions": versions("onnx", "onnxscript"),
            "machine": machine(),
            "parity": {},
        }
        write_json(folder / MANIFEST, info)
        if progress is not None:
            progress(total, total, graph="done")
    return Bundle(out, info)


def folding_error(source: Network) -> float | None:
    """Largest difference in mm that folding makes to a pose, in float64 on random pictures; None without a regressor.

    Raises:
        ExportError: it is more than rounding.
    """
    if not source.has_regressor:
        return None
    size = source.settings.frame_size
    frames = torch.rand(_FOLDING_FRAMES, 3, size, size, generator=torch.Generator().manual_seed(0)).double()
    given = None
    if source.needs_given:
        given = Given(torch.tensor([[0.45, 0.7, 0.0, 0.1]]).repeat(len(frames), 1).double(), frames[:, :1])
    with torch.no_grad():
        truth = exact(source)
        poses = [network.predict(frames, given=given) for network in (truth, folded(truth))]
    error = float((poses[0] - poses[1]).abs().max())
    if error > _FOLDING_LIMIT_MM:
        raise ExportError(f"Folding the batch norms moves a pose by {error:.2g} mm; the exported network would differ.")
    return error


def _models(graph: Graph, batches: tuple[int, ...]) -> Iterator[tuple[str, int | None, Any]]:
    if not graph.ladder:
        yield graph.name, None, forward_graph(graph)
        return
    ladder = Ladder(graph)
    for batch in batches:
        yield f"{graph.name}-b{batch}", batch, ladder.at(batch)


def _described(model: Any, file: str, batch: int | None) -> dict[str, Any]:
    from onnx.helper import tensor_dtype_to_np_dtype

    def values(of: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": value.name,
                "shape": [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim],
                "dtype": tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name,
            }
            for value in of
        ]

    return {"file": file, "batch": batch, "inputs": values(model.graph.input), "outputs": values(model.graph.output)}


def _check_target(out: Path, overwrite: bool) -> None:
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        return
    if not out.is_dir() or (any(out.iterdir()) and not (out / MANIFEST).is_file()):
        raise ConfigError(f"{out} is there already and is no bundle; choose another folder.")
    if any(out.iterdir()) and not overwrite:
        raise ConfigError(f"There is a bundle at {out} already; choose another folder, or replace it with --overwrite.")


@contextmanager
def _folder(out: Path) -> Iterator[Path]:
    """A temporary folder beside `out` that takes its place once everything is written.

    What was there is moved aside first and deleted last: at no moment is there a half-deleted bundle under `out`.
    """
    temporary, old = out.with_name(f".tmp-{out.name}"), out.with_name(f".old-{out.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        if out.exists():
            shutil.rmtree(old, ignore_errors=True)
            out.rename(old)
            try:
                temporary.rename(out)
            except BaseException:
                old.rename(out)
                raise
            shutil.rmtree(old, ignore_errors=True)
        else:
            temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
