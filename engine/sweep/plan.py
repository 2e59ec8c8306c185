"""Which frames are attacked, and in which parts."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from turncoat.engine.runs import INDEX_COLUMNS
from turncoat.kernels.errors import DataError
from turncoat.training.data import GROUPS, Dataset
from turncoat.training.data.samplers import balanced_selection

DEFAULT_FRAMES = 100  # of every subject, methods 6.2
MINIMUM_GAP_S = 0.5
PART = 32  # samples in a part: what a killed sweep loses at most


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Frames to attack: so many of every subject in each group, balanced over actions.

    Attributes:
        split: `held-out` are other trials of what the training subjects did, as in the paper's Table 1.
        groups: chosen and reported apart.
        subjects: None: all that the split has.
        per_subject: frames of each subject in each group; None: `at_most`, or as many as every subject has.
        at_most: what None stands for; 100 as in the paper.
        minimum_gap_s: how far apart, in seconds, two frames of one sequence are at least.
    """

    split: str = "held-out"
    groups: tuple[str, ...] = tuple(GROUPS)
    subjects: tuple[str, ...] | None = None
    per_subject: int | None = None
    at_most: int = DEFAULT_FRAMES
    minimum_gap_s: float = MINIMUM_GAP_S

    def rows(self, dataset: Dataset, seed: int) -> np.ndarray:
        """Rows int64, at least `minimum_gap_s` apart within a sequence; the groups one after the other.

        A dataset without labels (own pictures) is attacked whole.

        Raises:
            DataError: an unknown split, group or subject, or too few frames.
        """
        if not dataset.has_labels:
            return np.arange(len(dataset))
        found = [self._group(dataset, group, seed) for group in self.groups]
        if not found:
            raise DataError(f"No group of actions is asked for; there are {', '.join(GROUPS)}.")
        return np.concatenate(found)

    def _group(self, dataset: Dataset, group: str, seed: int) -> np.ndarray:
        def choose(count: int) -> np.ndarray:
            subjects = list(self.subjects) if self.subjects else None
            return balanced_selection(
                dataset,
                split=self.split,
                group=group,
                per_subject=count,
                seed=seed,
                minimum_gap_s=self.minimum_gap_s,
                subject=subjects,
            )

        if self.per_subject is not None:
            return choose(self.per_subject)
        best, low, high = choose(1), 1, self.at_most
        while low < high:  # a choice of k frames is a prefix of that of more, so what fits can be bisected
            middle = (low + high + 1) // 2
            try:
                best, low = choose(middle), middle
            except DataError:
                high = middle - 1
        return best

    def facts(self, dataset: Dataset, rows: np.ndarray) -> dict[str, Any]:
        """As run.json keeps it."""
        ids = dataset.column("sample_id")[rows].tolist()
        if not dataset.has_labels:
            return {"split": None, "groups": [], "subjects": [], "per_subject": None, **facts_of(ids)}
        subjects = sorted(set(dataset.column("subject")[rows].tolist()))
        return {
            "split": self.split,
            "groups": list(self.groups),
            "subjects": subjects,
            "per_subject": self.per_subject,
            # Only where they are others, so that runs begun before there was a choice can still be gone on with.
            **({} if self.at_most == DEFAULT_FRAMES else {"at_most": self.at_most}),
            **({} if self.minimum_gap_s == MINIMUM_GAP_S else {"minimum_gap_s": self.minimum_gap_s}),
            **facts_of(ids),
        }


def facts_of(sample_ids: Sequence[str]) -> dict[str, Any]:
    """Count and hash of the samples, in their order."""
    return {"frames": len(sample_ids), "sample_ids_hash": hashlib.sha256("\n".join(sample_ids).encode()).hexdigest()}


def parts_of(rows: np.ndarray) -> list[np.ndarray]:
    """The rows in parts of 32, whatever the batch: so that a run's files do not depend on it."""
    return [rows[at : at + PART] for at in range(0, len(rows), PART)]


def index_rows(dataset: Dataset, rows: np.ndarray) -> list[dict[str, Any]]:
    """The index columns of samples, one dictionary a row; columns that the dataset lacks are None."""
    columns = {}
    for name in INDEX_COLUMNS:
        try:
            columns[name] = dataset.column(name)[rows].tolist()
        except DataError:
            columns[name] = [None] * len(rows)
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def validation_rows(dataset: Dataset, wanted: int, seed: int, avoid: np.ndarray) -> tuple[np.ndarray, str]:
    """Frames to choose step sizes on, and the split they are of: validation, else training frames not attacked."""
    splits = dataset.column("split")
    for split in ("validation", "train"):
        rows = np.setdiff1d(np.flatnonzero(splits == split), avoid)
        if len(rows):
            order = np.random.default_rng([seed, len(rows)]).permutation(len(rows))
            return rows[order[:wanted]], split
    raise DataError(
        f"{dataset.folder} has neither validation nor training frames to choose a step size on; give one "
        "with --step-size."
    )
