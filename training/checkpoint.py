"""Weights on disk: safetensors with everything else as JSON in the header. No pickle is ever read.

A *network file* holds a network, its regressor if it has one, and the statistics of its appearance codes. A *training
file* holds what is needed to go on training as if nothing had happened. Both are written atomically.
"""

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from turncoat.kernels import ConfigError, DataError
from turncoat.kernels.files import atomic_path, content_hash, readable_by_all
from turncoat.training.networks import Disentangled, NetworkSettings
from turncoat.training.statistics import AppearanceStatistics

FORMAT = 1
_HEADER = "turncoat"
_STATISTICS = "statistics."


class Network(Disentangled):
    """A network that came from a file: frozen, in evaluation mode, and knowing where it came from.

    metadata: what was written beside the weights (method, training command, dataset, numbers).
    statistics: of its natural appearance codes, or None while no regressor was fitted.
    weights_hash: SHA-256 of the file.
    path: the file.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__(settings)
        self.metadata: dict[str, Any] = {}
        self.statistics: AppearanceStatistics | None = None
        self.weights_hash = ""
        self.path = Path()


def shipped_weights() -> dict[str, Path]:
    """The weights that come with the package, by name."""
    return {file.stem: file for file in sorted((Path(__file__).parent / "weights").glob("*.safetensors"))}


def save_network(
    path: str | Path,
    network: Disentangled,
    metadata: dict[str, Any] | None = None,
    *,
    statistics: AppearanceStatistics | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a network file.

    dtype: of the stored weights; float16 halves the file. The factor and mean of the statistics stay float32, and so
        do the buffers (running variances of batch norms can leave float16's range).

    Raises:
        DataError: a weight is NaN or infinite, or does not fit `dtype`.
    """
    statistics = statistics or getattr(network, "statistics", None)
    buffers = {name for name, _ in network.named_buffers()}
    tensors = {}
    for name, tensor in network.state_dict().items():
        kept = tensor if name in buffers else tensor.to(dtype)
        if not torch.isfinite(kept).all():
            raise DataError(f"The weight {name!r} is NaN or infinite as {kept.dtype}; nothing was written to {path}.")
        tensors[name] = kept.contiguous()
    header: dict[str, Any] = {
        "format": FORMAT,
        "kind": "network",
        "settings": network.settings.model_dump(mode="json"),
        "regressor": network.has_regressor,
        "metadata": metadata if metadata is not None else getattr(network, "metadata", {}),
    }
    if statistics is not None:
        tensors |= {_STATISTICS + "mean": statistics.mean, _STATISTICS + "factor": statistics.factor.contiguous()}
        header["statistics"] = {"mean_radius": statistics.mean_radius, "radius_p99": statistics.radius_p99}
    write_tensors(path, tensors, header)


def load_network(
    source: str | Path, *, preset: str | None = None, regressor: bool = False, device: str | torch.device = "cpu"
) -> Network:
    """Read a network file, or shipped weights by name, e.g. ``load_network("nsd")``.

    preset: the preset it must have, if that matters to the caller.
    regressor: whether it must be able to predict poses.

    Returns:
        the network in float32, frozen and in evaluation mode, with its metadata and statistics.

    Raises:
        DataError: the file is missing, damaged, or not a network file.
        ConfigError: it is a network of another preset, or has no regressor.
    """
    path = find_weights(source)
    tensors, header = read_tensors(path, "network")
    settings = NetworkSettings.load(None, header["settings"])
    if preset is not None and settings.preset != preset:
        raise ConfigError(
            f"{path} holds weights of preset {settings.preset!r}, expected {preset!r}; choose other weights or preset."
        )
    if regressor and not header["regressor"]:
        raise ConfigError(f"{path} has no pose regressor; run `turncoat fit-regressor` on it first.")
    network = Network(settings)
    if header["regressor"]:
        network.add_regressor()
    own = {name: tensor for name, tensor in tensors.items() if not name.startswith(_STATISTICS)}
    load_state(network, own, path)
    if "statistics" in header:
        network.statistics = AppearanceStatistics(
            tensors[_STATISTICS + "mean"].to(device), tensors[_STATISTICS + "factor"].to(device), **header["statistics"]
        )
    network.metadata = header["metadata"]
    network.weights_hash = content_hash(path)
    network.path = path
    return network.to(device).eval().requires_grad_(False)


def check_output_file(path: str | Path, *, overwrite: bool = False) -> Path:
    """Make sure, before long work, that its result can be written to the file `path`.

    Raises:
        ConfigError: its folder is missing or cannot be written, it is a folder itself, or it is there already and
            `overwrite` is false.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise ConfigError(f"{path} cannot be written: there is no folder {path.parent}; create it or choose another.")
    if path.is_dir():
        raise ConfigError(f"{path} cannot be written: it is a folder; give the name of a file.")
    if not os.access(path.parent, os.W_OK):
        raise ConfigError(f"{path} cannot be written: no permission to write in {path.parent}; choose another folder.")
    if path.exists() and not overwrite:
        raise ConfigError(f"{path} is there already; choose another name, or overwrite it with --overwrite.")
    return path


def find_weights(source: str | Path) -> Path:
    """The path of shipped weights or of a file; DataError names the shipped ones if there is neither."""
    shipped = shipped_weights()
    if str(source) in shipped:
        return shipped[str(source)]
    path = Path(source)
    if path.is_dir() and (path / "network.safetensors").is_file():
        return path / "network.safetensors"  # the folder of a training run
    if not path.is_file():
        names = ", ".join(shipped) or "none"
        raise DataError(f"There are no weights at {source}; give a .safetensors file or a shipped name ({names}).")
    return path


def weights_name(path: str | Path) -> str:
    """What weights are called: their file's name, the folder's for the network of a training run."""
    file = Path(path)
    return file.resolve().parent.name if file.stem == "network" else file.stem


def network_name(network: Any) -> str:
    """What a person calls a network: its own name, its weights', or what its description or its class says."""
    name, path = getattr(network, "name", None), getattr(network, "path", None)
    if name is None and path is not None and Path(path).name:
        name = weights_name(path)
    described = getattr(network, "metadata", None) or getattr(getattr(network, "bundle", None), "info", None) or {}
    return str(name or described.get("name") or type(network).__name__)


def load_state(module: torch.nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Copy `tensors` into `module`; DataError if one is missing, unknown, of another shape or not finite."""
    wanted = module.state_dict()
    missing, unknown = sorted(set(wanted) - set(tensors)), sorted(set(tensors) - set(wanted))
    if missing or unknown:
        what = f"lacks {missing[0]!r}" if missing else f"holds an unknown {unknown[0]!r}"
        raise DataError(f"{path} does not fit this version's network: it {what}; train the network again.")
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape:
            found, expected = tuple(tensor.shape), tuple(wanted[name].shape)
            raise DataError(f"{path}: {name!r} has shape {found}, expected {expected}; these are other weights.")
        if not torch.isfinite(tensor).all():
            raise DataError(f"{path}: {name!r} holds NaN or infinity; the weights are damaged, use another file.")
    module.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in tensors.items()})


def write_tensors(path: str | Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    """Write tensors and a JSON header to a safetensors file, atomically."""
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={_HEADER: json.dumps(header, allow_nan=False)})
        readable_by_all(temporary)


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a safetensors file; DataError if it is truncated or something else."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            return tensors, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path} is truncated or not a safetensors file ({error}); copy or make it again.") from error


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the JSON header of a file of `kind`; DataError if it is truncated or something else."""
    tensors, metadata = read_safetensors(path)
    try:
        header = json.loads(metadata[_HEADER])
        found = (header["format"], header["kind"])
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{path} has no {_HEADER!r} header, so turncoat did not write it; choose another.") from None
    if found != (FORMAT, kind):
        raise DataError(f"{path} is a {found[1]} file of format {found[0]}, expected {kind} of format {FORMAT}.")
    return tensors, header
