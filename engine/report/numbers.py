"""What the rows of a run say: the numbers of the report, each computed once.

Success rates, means and quantiles are over the frames that were really attacked. A frame whose synthesis alone is past
the threshold is counted apart (design: its own outcome), and so is one that failed.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from turncoat.engine.analysis.intervals import clusters_of, success_interval
from turncoat.engine.attack.outcomes import ATTACKED, FAILED, Outcome
from turncoat.engine.attack.settings import is_towards
from turncoat.engine.runs import Run
from turncoat.kernels.errors import DataError

Rows = dict[str, np.ndarray]

_ATTACKED = tuple(outcome.value for outcome in ATTACKED)
_FAILED = tuple(outcome.value for outcome in FAILED)
_OUTCOMES = tuple(outcome.value for outcome in Outcome)
_GROUPS = ("everyday", "acrobatic")
_SETTINGS = ("paper", "free", "natural")
_SHARED = {"appearance": "codes", "colours": "colours"}  # the setting of controls that stand beside a whole family
_CONTROLS = (
    "random direction",
    "same subject",
    "other subjects",
    "random colours",
    "random colours, strongest",
    "random corners",
    "other wardrobes",
    "grey noise",
    "random signs",
)


def take(rows: Rows, keep: np.ndarray) -> Rows:
    """The rows that `keep` (mask or indices) names."""
    return {name: column[keep] for name, column in rows.items()}


def count(rows: Rows) -> int:
    """How many rows there are."""
    return len(rows["sample_id"])


def mean(values: np.ndarray) -> float:
    """Mean of the values that are there; NaN when none is."""
    there = _there(values)
    return float(there.mean()) if len(there) else float("nan")


def median(values: np.ndarray, quantile: float = 0.5) -> float:
    """Quantile of the values that are there; NaN when none is."""
    there = _there(values)
    return float(np.quantile(there, quantile)) if len(there) else float("nan")


def _there(values: np.ndarray) -> np.ndarray:
    numbers = np.asarray(values, dtype=np.float64)
    return numbers[np.isfinite(numbers)]


class Rate(NamedTuple):
    """`hits` of `total`, as a share with its 95 % `Interval`; NaN when nothing was counted."""

    hits: int
    total: int
    value: float
    low: float
    high: float
    clustered_by: str | None = None


@dataclass(frozen=True)
class Measured:
    """One attack, or one control, on the frames of one group (or of a part of it).

    Attributes:
        key: the column `setting` of an attack, the column `control` of a control.
        setting: the attack it belongs to, or 'codes' or 'colours' for controls of any budget.
        kind: 'appearance', 'colours', 'pixels' or 'control'.
        rows: all of its rows; `attacked`: those that count.
        fooled: share of `attacked` past the threshold, with its 95 % interval.
        controls: what stands beside it (empty for a control).
    """

    key: str
    setting: str
    kind: str
    rows: Rows
    attacked: Rows
    fooled: Rate
    controls: tuple["Measured", ...] = ()

    @property
    def past_before(self) -> int:
        """Frames past the threshold before anything was changed."""
        return int((self.rows["outcome"] == Outcome.PAST_BEFORE.value).sum())

    @property
    def failed(self) -> int:
        """Rows that came to no result: unreadable or not finite."""
        return int(np.isin(self.rows["outcome"].astype(str), _FAILED).sum())

    @property
    def outcomes(self) -> list[tuple[str, int]]:
        """How often each outcome occurred, in the order of the enum."""
        found = Counter(self.rows["outcome"].tolist())
        return [(sentence, found[sentence]) for sentence in _OUTCOMES if found[sentence]]

    @property
    def initial(self) -> np.ndarray:
        """Error of the unattacked synthesis, mm."""
        return self.attacked["error_initial_mm"]

    @property
    def final(self) -> np.ndarray:
        """Error of the last attacked frame, mm."""
        return self.attacked["error_final_mm"]

    @property
    def verified(self) -> np.ndarray:
        """Error that the float32 reference finds on the 8-bit attacked frame, mm; the pair of N- and PA-MPJPE."""
        return self.attacked["error_verified_mm"]

    @property
    def initial_of_all(self) -> np.ndarray:
        """As `initial`, with the frames that were past the threshold before."""
        return _there(self.rows["error_initial_mm"])

    @property
    def steps_when_fooled(self) -> np.ndarray:
        """Iterations that it took, of the frames that were fooled."""
        return self.attacked["iterations"][self.attacked["outcome"] == Outcome.FOOLED.value].astype(np.float64)

    def by(self, column: str) -> Iterator[tuple[str, "Measured"]]:
        """The same over each value of a column (subject, action), in alphabetical order."""
        values = self.rows[column]
        for value in sorted({value for value in values.tolist() if value is not None}):
            yield value, measure(self.key, self.setting, self.kind, take(self.rows, values == value))


def measure(key: str, setting: str, kind: str, rows: Rows, controls: Sequence[Measured] = ()) -> Measured:
    """Count what is in `rows`."""
    attacked = take(rows, np.isin(rows["outcome"].astype(str), _ATTACKED))
    fooled = attacked["outcome"] == Outcome.FOOLED.value
    share = success_interval(fooled, clusters_of(attacked))
    return Measured(key, setting, kind, rows, attacked, Rate(int(fooled.sum()), len(fooled), *share), tuple(controls))


@dataclass(frozen=True)
class Group:
    """Everything about the frames of one group of actions.

    Attributes:
        name: 'everyday', 'acrobatic', or '' when the dataset knows no groups.
        attacks: in the order paper, free, natural, then by name.
    """

    name: str
    attacks: tuple[Measured, ...]
    _by_key: dict[str, Measured] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_key.update({attack.key: attack for attack in self.attacks})

    def get(self, key: str) -> Measured | None:
        """The attack of that setting, or None if the run does not have it."""
        return self._by_key.get(key)

    @property
    def appearance(self) -> tuple[Measured, ...]:
        """The attacks on the appearance code that drive away from the clean pose."""
        return tuple(a for a in self.attacks if a.kind == "appearance" and not is_towards(a.key))

    @property
    def aimed(self) -> tuple[Measured, ...]:
        """The attacks on the appearance code that drive towards a pose."""
        return tuple(attack for attack in self.attacks if is_towards(attack.key))

    @property
    def pixels(self) -> tuple[Measured, ...]:
        """The attacks on every pixel."""
        return tuple(attack for attack in self.attacks if attack.kind == "pixels")

    @property
    def colours(self) -> tuple[Measured, ...]:
        """The attacks on the garments' colours."""
        return tuple(attack for attack in self.attacks if attack.kind == "colours")

    @property
    def frames(self) -> int:
        """Different frames that were attacked, or that could not be."""
        return len({sample for attack in self.attacks for sample in attack.rows["sample_id"].tolist()})

    @property
    def sequences(self) -> int:
        """Different sequences that those frames come from."""
        return self._different("sequence")

    @property
    def recordings(self) -> int:
        """Different motion clips that those sequences come from; 0 when the dataset does not say."""
        return self._different("motion_id")

    @property
    def failed(self) -> int:
        """Frames that came to no result, under whichever attack."""
        lost = (take(attack.rows, np.isin(attack.rows["outcome"].astype(str), _FAILED)) for attack in self.attacks)
        return len({sample for rows in lost for sample in rows["sample_id"].tolist()})

    def _different(self, column: str) -> int:
        return len({name for attack in self.attacks for name in attack.rows[column].tolist()} - {None})


def read_groups(run: Run) -> list[Group]:
    """The numbers of a run, everyday and acrobatic actions apart.

    Raises:
        DataError: the run has no rows yet, or none of an attack.
    """
    rows = run.rows()
    rows["row"] = np.arange(count(rows))  # where it stands in run.table(), for re-synthesis
    if not count(rows) or not (rows["attack"] != "control").any():
        state = "has finished without any" if run.complete else "has not written any yet"
        raise DataError(f"{run.folder} holds no results: the attack {state}; run or resume `turncoat attack` first.")
    return [_group(name, take(rows, rows["group"] == name)) for name in _ordered(rows["group"], _GROUPS)]


def _group(name: str | None, rows: Rows) -> Group:
    is_control = rows["attack"] == "control"
    attacks = []
    for setting in _ordered(rows["setting"][~is_control], _SETTINGS):
        mine = take(rows, ~is_control & (rows["setting"] == setting))
        kind = str(mine["attack"][0])
        shared = () if is_towards(str(setting)) else (_SHARED.get(kind, ""),)
        beside = take(rows, is_control & np.isin(rows["setting"].astype(str), (str(setting), *shared)))
        controls = [
            measure(str(control), str(setting), "control", take(beside, beside["control"] == control))
            for control in _ordered(beside["control"], _CONTROLS)
        ]
        attacks.append(measure(str(setting), str(setting), kind, mine, controls))
    return Group(name or "", tuple(attacks))


def _ordered(values: np.ndarray, first: Sequence[str]) -> list[Any]:
    """Different values: those of `first` in its order, then the others sorted, then None."""
    there = set(values.tolist())
    known = [value for value in first if value in there]
    return known + sorted(there - set(first) - {None}) + [None for value in there if value is None]
