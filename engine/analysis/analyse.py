"""Running the analyses of the catalogue on several networks."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from turncoat.engine.analysis.catalogue import EVERYDAY, Analysis, Case, look
from turncoat.engine.sweep.networks import open_any
from turncoat.kernels.device import find_device
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.checkpoint import network_name
from turncoat.training.data import Dataset, open_dataset

Progress = Callable[..., None]
ALL = "all"
"""Instead of a group: frames of all actions."""


def open_cases(
    networks: Sequence[str],
    data: Dataset,
    out: Path,
    *,
    crossed: Dataset | None = None,
    device: str = "auto",
    command: str | None = None,
    split: str = "held-out",
    group: str | None = None,
) -> list[Case]:
    """The networks, on their device and frozen; each one's runs lie in ``OUT/runs/NAME``.

    Args:
        networks: shipped names, files of weights, bundles, descriptions of foreign targets.
        split, group: of the frames that are looked at; group None: everyday actions, or all where the dataset has no
            such group; "all": all.

    Raises:
        ConfigError: two of one name. DataError: weights that cannot be read; no such split or group.
    """
    cases: list[Case] = []
    group = _group(data, split, group)
    for source in networks:
        case = open_case(source, data, crossed=crossed, device=device, command=command, split=split, group=group)
        if case.name in [other.name for other in cases]:
            raise ConfigError(f"Two of the networks are called {case.name!r}; rename one.")
        case.folder = out / "runs" / case.name
        cases.append(case)
    return cases


def _group(data: Dataset, split: str, group: str | None) -> str | None:
    """The group of actions to look at, None for all."""
    there = set(data.column("group")[data.select(split=split)].tolist())
    if group == ALL or (group is None and EVERYDAY not in there):
        return None
    data.select(split=split, group=group or EVERYDAY)
    return group or EVERYDAY


def open_case(
    source: str,
    data: Dataset,
    *,
    crossed: Dataset | None = None,
    device: str = "auto",
    command: str | None = None,
    split: str = "held-out",
    group: str | None = EVERYDAY,
) -> Case:
    """One network, on its device and frozen."""
    place = find_device(device)
    network: Any = open_any(source)
    if hasattr(network, "to"):
        network.to(place)
    if hasattr(network, "eval"):
        network.eval()
        network.requires_grad_(False)
    return Case(
        network_name(network), network, data, crossed, device=str(place), command=command, source=source,
        split=split, group=group,
    )  # fmt: skip


def open_crossed(data: Dataset, crossed: Path | None) -> Dataset | None:
    """The crossed set that was named, else the folder beside the dataset that is called like it, ``data-crossed``.

    Raises:
        DataError: what was named is not there, or is no crossed set of such frames.
    """
    place = crossed or data.folder.resolve().with_name(f"{data.folder.resolve().name}-crossed")
    if crossed is None and not (place / "dataset.json").is_file():
        return None
    found = open_dataset(place)
    if found.info.get("recipe") != "crossed":
        raise DataError(
            f"{place} is of the recipe {found.info.get('recipe')!r}, expected crossed; render such a set with "
            "`turncoat render --recipe crossed`."
        )
    if found.size != data.size:
        raise DataError(f"{place} has frames of {found.size} pixels, {data.folder} of {data.size}; render it again.")
    return found


def analyse(
    analyses: Sequence[Analysis],
    cases: Sequence[Case],
    progress: Callable[[str, str], Progress | None] | None = None,
    found: Callable[[Analysis, Case, Any], None] | None = None,
) -> None:
    """Every analysis of every network, network by network.

    Args:
        progress: called with the names of network and analysis; answers with what is told of its progress.
        found: called with what came of each.
    """
    for case in cases:
        for analysis in analyses:
            tell = None if progress is None else progress(case.name, analysis.title)
            result = look(analysis, case, tell)
            if found is not None:
                found(analysis, case, result)
