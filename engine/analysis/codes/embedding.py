"""t-SNE of the codes (Figures 4 and 9), and numbers for what one thinks to see there.

A picture of clusters is an impression. Whether a code tells actions or people is asked of the code itself: of its
nearest neighbours and of a linear probe, both from training frames of other recordings and other motion clips. (Five of
six held-out everyday actions are one clip that five people perform: among held-out frames alone a neighbour would be
the same clip by somebody else, and every code would know its action.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from turncoat.engine.analysis.codes.draws import null_interval, shuffled_labels
from turncoat.engine.analysis.codes.frames import (
    APPEARANCE,
    CODE_NAMES,
    POSE_CODE,
    FrameCodes,
    NetworkCodes,
    Progress,
    gather_codes,
)
from turncoat.engine.analysis.codes.neighbours import nearest, vote
from turncoat.engine.analysis.intervals import Interval, success_interval
from turncoat.engine.analysis.number import Number
from turncoat.kernels.errors import DataError
from turncoat.kernels.settings import Settings
from turncoat.training.data import Dataset
from turncoat.training.evaluation.people import true_codes
from turncoat.training.identity import fit_probe_to

CODES = (APPEARANCE, POSE_CODE)
TRUE_POSE = "true_pose"
"""Asked beside the codes: a true pose tells actions, and people too, for bodies differ."""
WAYS = {"knn": "nearest neighbours", "probe": "linear probe"}


class EmbeddingSettings(Settings):
    """How codes are embedded and asked. [choice] all but the perplexity and the start, which methods 6.1 names.

    frames: that are embedded, at most. iterations: of the two stages, exaggerated and not.
    standardise: whether every channel is measured in its standard deviations, for the embedding and for neighbours;
        the paper does not say, and codes are taken as they are.
    neighbours: that vote. shuffles: of whole recordings' labels.
    """

    frames: int = Field(1000, ge=20)
    perplexity: float = Field(30.0, gt=1)
    iterations: tuple[int, int] = (250, 500)
    standardise: bool = False
    neighbours: int = Field(15, ge=1)
    shuffles: int = Field(200, ge=1)
    draws: int = Field(1000, ge=1)
    seed: int = 0


@dataclass(frozen=True)
class Accuracy:
    """How often something is right about the label of a frame.

    code: that is asked; column: what of; way: "knn" or "probe". found: share of frames, with its interval.
    null: the same answers against labels of whole recordings that were exchanged: mean, and where 95 % lie.
    commonest: what always naming the commonest label of the training frames scores. classes, frames: asked.
    """

    code: str
    column: str
    way: str
    found: Interval
    null: Interval
    commonest: float
    classes: int
    frames: int

    def number(self) -> Number:
        """As a row of numbers."""
        label = f"{self.column} from the {CODE_NAMES[self.code]}, {WAYS[self.way]}"
        note = (
            f"{self.classes} classes; always naming the commonest one of the training frames is right in "
            f"{100 * self.commonest:.0f} %."
        )
        key = f"{self.way}_{self.column}_{self.code}"
        return Number(key, label, self.found, "share", self.null, "labels of recordings exchanged", note)


@dataclass(frozen=True)
class Embedding:
    """Codes in two dimensions, and what they tell.

    rows: (N,) embedded frames. positions: code -> (N, 2) float64. labels: column -> (N,) text.
    accuracies: of codes and of true poses. left_out: sentences on what could not be asked.
    """

    network: str
    described: dict[str, Any]
    settings: EmbeddingSettings
    rows: np.ndarray
    positions: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    accuracies: list[Accuracy]
    left_out: list[str]

    def numbers(self) -> list[Number]:
        """Every accuracy."""
        return [each.number() for each in self.accuracies]

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON; positions are rounded to hundredths."""
        return {
            **self.described,
            "settings": self.settings.model_dump(mode="json"),
            "rows": self.rows.tolist(),
            "positions": {name: np.round(each, 2).tolist() for name, each in self.positions.items()},
            "labels": {name: each.tolist() for name, each in self.labels.items()},
            "numbers": {number.key: number.facts() for number in self.numbers()},
            "left_out": self.left_out,
        }


def embedding(
    network: Any,
    dataset: Dataset,
    settings: EmbeddingSettings | None = None,
    *,
    codes: NetworkCodes | None = None,
    progress: Progress | None = None,
) -> Embedding:
    """Embed the codes of a network's frames, and ask them for the action and for the person.

    network: needs `encode` alone; it is not asked where `codes` (`gather_codes`) are given.

    Raises:
        DataError: too few frames; no actions and no people to tell apart.
    """
    settings = settings or EmbeddingSettings()
    codes = codes or gather_codes(network, dataset, progress=progress)
    columns, left_out = _columns(codes)
    shown = codes.test.spread(settings.frames)
    if len(shown) < 3 * settings.perplexity:
        raise DataError(
            f"{len(shown)} frames are too few for a t-SNE of perplexity {settings.perplexity:g}; it needs "
            f"{3 * settings.perplexity:.0f}: encode more, or lower the perplexity."
        )
    positions = {}
    for number, code in enumerate(CODES):
        if progress is not None:
            progress(number, len(CODES), stage="t-SNE")
        positions[code] = embed(_scaled(codes, shown, code, settings), settings)
    return Embedding(
        codes.name,
        codes.described(),
        settings,
        shown.rows,
        positions,
        {column: shown.column(column) for column in columns},
        ask_codes(codes, columns, settings),
        left_out,
    )


def embed(values: np.ndarray, settings: EmbeddingSettings) -> np.ndarray:
    """t-SNE of codes (N, C) -> (N, 2): from PCA, exact neighbours, one thread, so that it is the same every time."""
    from openTSNE import TSNE

    early, late = settings.iterations
    found = TSNE(
        perplexity=settings.perplexity,
        initialization="pca",
        neighbors="exact",
        negative_gradient_method="bh",
        early_exaggeration_iter=early,
        n_iter=late,
        n_jobs=1,
        random_state=settings.seed,
    ).fit(np.ascontiguousarray(values, dtype=np.float64))
    return np.asarray(found, dtype=np.float64)


def ask_codes(codes: NetworkCodes, columns: list[str], settings: EmbeddingSettings) -> list[Accuracy]:
    """Accuracies of nearest neighbours and of a linear probe for every column, of both codes and of true poses."""
    train, test = codes.train, codes.test
    ties = [(test.column(name), train.column(name)) for name in ("sequence", "motion_id")]
    ties = [(own, other) for own, other in ties if len(np.unique(other)) > 1]  # unknown clips are all called alike
    random = np.random.default_rng([settings.seed, 5])
    found = []
    for code in (*CODES, TRUE_POSE):
        if code == TRUE_POSE:
            fitted, asked = (true_codes(codes.dataset, each.rows)[TRUE_POSE] for each in (train, test))
        else:
            fitted, asked = train.codes[code], test.codes[code]
        std = fitted.std(0).clamp(min=1e-6) if settings.standardise and code != TRUE_POSE else 1.0
        near = nearest(asked / std, fitted / std, ties, settings.neighbours)
        for column in columns:
            names, truth = train.column(column), test.column(column)
            known = np.isin(truth, names)
            probe = fit_probe_to("linear", fitted, names, column, code)
            answers = {"knn": vote(names[near]), "probe": probe.names[probe.tell(asked)]}
            commonest = float((truth[known] == probe.names[probe.commonest]).mean())
            sequence = test.column("sequence")[known]
            for way, answer in answers.items():
                right = answer[known] == truth[known]
                null = [
                    float((answer[known] == shuffled_labels(truth[known], sequence, random)).mean())
                    for _ in range(settings.shuffles)
                ]
                share = success_interval(right, test.clusters[known], draws=settings.draws, seed=settings.seed)
                found.append(
                    Accuracy(
                        code, column, way, share, null_interval(np.array(null)), commonest, len(probe.names), len(right)
                    )
                )
    return found


def _columns(codes: NetworkCodes) -> tuple[list[str], list[str]]:
    """What the codes can be asked for, and a sentence for what they cannot."""
    found, left_out = [], []
    for column in ("action", *codes.people()):
        names, truth = codes.train.column(column), codes.test.column(column)
        if len(np.unique(names)) < 2:
            left_out.append(f"The training frames have one {column}, so there is nothing to tell apart.")
        elif not np.isin(truth, names).any():
            left_out.append(f"No {column} of the frames is known from training, so it cannot be asked.")
        else:
            found.append(column)
    if not found:
        raise DataError(
            "The frames have neither several actions nor several people; choose other splits or render more."
        )
    return found, left_out


def _scaled(codes: NetworkCodes, frames: FrameCodes, code: str, settings: EmbeddingSettings) -> np.ndarray:
    values = frames.array(code)
    return values / codes.train.array(code).std(0).clip(min=1e-6) if settings.standardise else values
