"""The networks of a transfer matrix: loaded once, and all bad input found before the first attack."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turncoat.engine.attack.appearance import space_of
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.sweep.networks import open_any, pair_of
from turncoat.kernels.errors import ConfigError
from turncoat.training.data import Dataset
from turncoat.training.encoding import check_frame_size
from turncoat.training.networks import Disentangled, needs_given


@dataclass(frozen=True)
class Members:
    """What paints, and what is attacked and looks on; networks by name, in the order they were given.

    Attributes:
        facts: of every network, as run.json keeps them.
        given: names of those that the dataset tells where the person is.
    """

    generators: dict[str, Any]
    targets: dict[str, Any]
    facts: dict[str, dict[str, Any]]

    @property
    def given(self) -> frozenset[str]:
        """Names of the networks that are told where the person is."""
        return frozenset(name for name, one in {**self.generators, **self.targets}.items() if needs_given(one))


def find_members(generators: Sequence[Any], targets: Sequence[Any], settings: AttackSettings, data: Dataset) -> Members:
    """Load the networks, each once, and check that every pair of them can be attacked.

    Args:
        generators, targets: networks, or paths or shipped names: weights, bundles, descriptions of foreign targets.

    Raises:
        ConfigError: no networks; two of one name; a generator that cannot repaint, a target that predicts no pose;
            attacks that are not on an appearance code; weights without the statistics that an attack needs.
        DataError: weights cannot be read, or are for frames of another size.
    """
    if settings.colour_attacks:
        raise ConfigError(
            f"A transfer matrix is of attacks that a generator paints (paper, free, natural), and "
            f"{settings.colour_attacks[0]!r} has none; leave it out."
        )
    if not generators or not targets:
        raise ConfigError("A transfer matrix needs at least one generator and one target; name them, A,B,C.")
    opened: dict[Any, Any] = {}
    painting, attacked = ([_opened(one, opened) for one in some] for some in (generators, targets))
    for source, network in zip(generators, painting, strict=True):
        if getattr(network, "has_decoder", True) is False:
            raise ConfigError(
                f"The generator {_shown(source)} has no decoder, so it cannot repaint; name it among the targets alone."
            )
    for source, network in zip(targets, attacked, strict=True):
        if getattr(network, "has_regressor", True) is False:
            raise ConfigError(
                f"The target {_shown(source)} has no pose regressor, so it predicts no pose; run "
                "`turncoat fit-regressor` on it first."
            )
    named: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    facts: dict[str, dict[str, Any]] = {}
    pairs = [pair_of(one, attacked[0], settings) for one in painting]
    pairs += [pair_of(painting[0], one, settings) for one in attacked]
    for number, (pair, described) in enumerate(pairs):
        role = "generator" if number < len(painting) else "target"
        network = getattr(pair, role)
        name = str(described[role]["name"])
        if name in named[role == "target"]:
            raise ConfigError(f"Two of the {role}s are called {name!r}; name each once, or rename the weights of one.")
        if name in facts and facts[name] != described[role]:
            raise ConfigError(f"Two different networks are called {name!r}; rename the weights of one.")
        named[role == "target"][name], facts[name] = network, described[role]
        if isinstance(network, Disentangled):
            check_frame_size(network, data)
        for attack in settings.appearance_attacks if role == "generator" else ():
            space_of(attack, network, pair.device)  # says at once if the weights lack what it needs
    return Members(*named, facts)


def _opened(source: Any, opened: dict[Any, Any]) -> Any:
    """The network that `source` is or names; the same object for the same name."""
    if not isinstance(source, str | Path):
        return source
    if str(source) not in opened:
        opened[str(source)] = open_any(source)
    return opened[str(source)]


def _shown(source: Any) -> str:
    return repr(str(source)) if isinstance(source, str | Path) else type(source).__name__
