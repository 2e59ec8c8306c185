"""Which networks take part in a run: loaded, checked before anything is written, and described for run.json."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from turncoat.engine.attack.pair import Pair, choose_device
from turncoat.engine.attack.settings import AUTO, AttackSettings
from turncoat.engine.targets import ForeignTarget, QueryStep, is_description, load_target
from turncoat.export.bundle import is_bundle, open_bundle
from turncoat.kernels.device import choose_precision
from turncoat.kernels.errors import ConfigError
from turncoat.training.checkpoint import Network, load_network, network_name, shipped_weights
from turncoat.training.data import Dataset
from turncoat.training.encoding import check_frame_size
from turncoat.training.networks import Disentangled, needs_given

JUDGE = "judge"
"""Name of the shipped weights that judge."""


def pair_of(network: Any, target: Any, settings: AttackSettings) -> tuple[Pair, dict[str, Any]]:
    """Load what is given by name, check that it can be attacked, and say what it is.

    Args:
        network: the generator, or the path or shipped name of one.
        target: the network that is attacked, likewise, or the description of a foreign one (a path ending in .toml);
            None: the generator itself.
        settings: device and precision, and whether anything has to be repainted.

    Returns:
        the networks on their device, frozen; what run.json says of `generator` and `target`.

    Raises:
        ConfigError: the target predicts no pose, or the generator cannot repaint and has to.
        DataError: there are no such weights.
    """
    generator, generator_path = _with_path(network)
    attacked, target_path = (generator, generator_path) if target is None else _with_path(target)
    _check_predicts(attacked, "target")
    if isinstance(generator, ForeignTarget) and settings.appearance_attacks:
        raise ConfigError(
            f"The generator {generator.name!r} is a foreign target, which cannot repaint; give another generator and "
            "this one as target."
        )
    if settings.appearance_attacks and getattr(generator, "has_decoder", True) is False:
        raise ConfigError(
            f"The generator {network_name(generator)!r} has no decoder, so it cannot repaint; give another "
            "generator and this one as target, or attack it by colours alone."
        )
    device = choose_device(settings.device, generator)
    for one in {id(network): network for network in (generator, attacked)}.values():
        _freeze(one, device)
    names = (network_name(generator), network_name(attacked))
    pair = Pair(generator, attacked, names, device, choose_precision(settings.precision, device))
    if isinstance(attacked, ForeignTarget) and not attacked.differentiable:
        statistics = getattr(generator, "statistics", None)
        pair = replace(pair, queries=QueryStep(attacked.settings.queries, settings.seed, statistics, generator))
    return pair, {
        "generator": _facts(generator, names[0], generator_path),
        "target": _facts(attacked, names[1], target_path),
    }


def find_judge(pair: Pair, judge: Any, settings: AttackSettings, data: Dataset) -> tuple[Pair, dict[str, Any] | None]:
    """The pair with its judge, and what run.json says of it; None where there is none.

    Args:
        judge: a `PoseTarget`, or the path or shipped name of one; None: what `settings.judge` says.

    Raises:
        ConfigError, DataError: a judge that was named cannot be read, predicts no pose, or sees frames of another size.
    """
    chosen = settings.judge if judge is None else judge
    if chosen == AUTO:
        chosen = shipped_weights().get(JUDGE)
    if chosen is None:
        return pair, None
    network, path = _with_path(chosen)
    if isinstance(network, Disentangled):
        if judge is None and settings.judge == AUTO and network.settings.frame_size != data.size:
            return pair, None
        check_frame_size(network, data)
    _check_predicts(network, "judge")
    _freeze(network, pair.device)
    return replace(pair, judge=network), _facts(network, network_name(network), path)


def check_told(pair: Pair, data: Dataset) -> None:
    """ConfigError if a network has to be told where the people are and the dataset does not know."""
    roles = (("generator", pair.generator), ("target", pair.target), ("judge", pair.judge))
    for role, network in roles:
        if needs_given(network) and not data.has_labels:
            raise ConfigError(
                f"The {role} has no detector of its own and is told where the person is, which the pictures of "
                f"{data.folder} do not say; choose a network that finds people, like nsd."
            )


def _check_predicts(network: Any, role: str) -> None:
    if getattr(network, "has_regressor", True) is False:
        raise ConfigError(
            f"The {role} has no pose regressor, so it predicts no pose; run `turncoat fit-regressor` on it first."
        )


def _freeze(network: Any, device: torch.device) -> None:
    """On the device, in evaluation mode, without gradients of its own."""
    if hasattr(network, "to"):
        network.to(device)
    if hasattr(network, "eval"):
        network.eval()
        network.requires_grad_(False)


def open_network(place: str | Path) -> Network:
    """The network at a path, of weights or of a bundle, or the shipped one of that name.

    Raises:
        DataError: there is none, or it is damaged.
    """
    return open_bundle(place).network if is_bundle(place) else load_network(place)


def open_any(place: str | Path) -> Any:
    """The network at a path, of weights, of a bundle or of a foreign target's description, or the shipped one.

    Raises:
        DataError, ConfigError: there is none, or it cannot be used.
    """
    return load_target(place) if is_description(place) else open_network(place)


def _with_path(network: Any) -> tuple[Any, str | None]:
    """The network, and the path it came from if it came from one."""
    if isinstance(network, str | Path):
        network = open_any(network)
    path = getattr(network, "path", None)
    return network, str(path) if path and Path(path).name else None


def _facts(network: Any, name: str, path: str | None) -> dict[str, Any]:
    return {
        "name": name,
        "path": path,
        "weights_hash": getattr(network, "weights_hash", None),
        "given": needs_given(network),  # told by the dataset where the person is: not to be averaged with the others
        "metadata": getattr(network, "metadata", None) or {},
    }
