"""How far networks lie apart that differ in nothing but their seed: differences between methods are read against it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from turncoat.engine.analysis.members import Member, members_of
from turncoat.engine.analysis.rows import error_rows, picture_row
from turncoat.engine.runs import Run
from turncoat.kernels.errors import ConfigError

MEASURES = ("success", "initial_mm", "final_mm", "ssim", "psnr_db", "mse_sum")


@dataclass(frozen=True)
class SeedValues:
    """One measure of one setting and group, a value a seed.

    `deviation` is the standard deviation (N - 1); `largest` the largest difference between two of them.
    """

    setting: str
    group: str
    measure: str
    values: tuple[float, ...]
    mean: float
    deviation: float
    largest: float


@dataclass(frozen=True)
class Spread:
    """The seeds of one method. `warning` says what else than the seed differs; empty if nothing is known to."""

    method: str
    members: tuple[Member, ...]
    values: tuple[SeedValues, ...]
    warning: str

    def get(self, setting: str, group: str, measure: str) -> SeedValues | None:
        """The values of one measure, if it was measured."""
        wanted = (setting, group, measure)
        return next((one for one in self.values if (one.setting, one.group, one.measure) == wanted), None)

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {**asdict(self), "members": [member.facts() for member in self.members]}


def spread_of(method: str, runs: Sequence[Run], cells: Sequence[tuple[str, str]]) -> Spread:
    """The spread over runs of networks that were trained alike but for the seed, for every (setting, group) of `cells`.

    Raises:
        ConfigError: fewer than two runs: one says nothing about a spread.
    """
    if len(runs) < 2:
        raise ConfigError(f"The seeds of {method} are {len(runs)}; a spread needs at least 2 networks.")
    members, found = members_of(runs), []
    for setting, group in cells:
        whole = [rows[-1] for run in runs if (rows := error_rows(run, setting, group))]
        pictures = [picture_row(run, setting, group).values for run in runs]
        if len(whole) < len(runs):
            continue
        for measure in MEASURES:
            if measure in ("ssim", "psnr_db", "mse_sum"):
                values = [one[measure].value for one in pictures]
            else:
                values = [getattr(row, measure).value for row in whole]
            found.append(_values(setting, group, measure, np.array(values)))
    return Spread(method, tuple(members), tuple(found), _warning(method, members))


def _values(setting: str, group: str, measure: str, values: np.ndarray) -> SeedValues:
    return SeedValues(
        setting,
        group,
        measure,
        tuple(values.tolist()),
        float(values.mean()),
        float(values.std(ddof=1)),
        float(values.max() - values.min()),
    )


def _warning(method: str, members: Sequence[Member]) -> str:
    images = sorted({member.images for member in members if member.images is not None})
    methods = sorted({member.method for member in members if member.method})
    if len(methods) > 1:
        return f"The seeds of {method} were trained by different methods ({', '.join(methods)})."
    kinds = sorted({", ".join([member.recipe or "?", *member.apart]) for member in members})
    if len(kinds) > 1:
        return f"The seeds of {method} differ in more than their seed ({'; '.join(kinds)})."
    if len({member.weights_hash for member in members}) < len(members):
        return f"Some of the seeds of {method} are the same weights."
    if images and images[-1] > 1.02 * images[0]:
        return f"The seeds of {method} saw different numbers of images ({', '.join(f'{n:,}' for n in images)})."
    return ""
