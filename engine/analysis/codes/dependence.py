"""Do the two codes depend on each other? Table 3, and what it takes to read it.

A distance correlation of codes says little alone: independent codes of these sizes have a large biased one, frames of
one recording are no independent samples, and two perfect codes depend on each other where a person's body shows in the
pose. So beside the published number stand its nulls, its bias-corrected form, and what remains once the true pose or
the person is known, each beside a code that says nothing else. Where every person has one body and one wardrobe, a true
pose tells the person by the lengths of bones, and a pose code may know no more than that: only data that gives one body
several wardrobes can tell clothes from bodies, and there the wardrobe is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from turncoat.engine.analysis.codes import distance_correlation as dc
from turncoat.engine.analysis.codes.draws import (
    drawn_intervals,
    null_interval,
    shuffled_frames,
    shuffled_sequences,
)
from turncoat.engine.analysis.codes.frames import (
    APPEARANCE,
    CODE_NAMES,
    POSE_CODE,
    FrameCodes,
    NetworkCodes,
    Progress,
    gather_codes,
)
from turncoat.engine.analysis.codes.information import Information, InformationSettings, information
from turncoat.engine.analysis.codes.innocent import recordings_alone
from turncoat.engine.analysis.codes.linear import Determined, RidgeFit, determined, random_features
from turncoat.engine.analysis.intervals import Interval
from turncoat.engine.analysis.number import Number, exactly
from turncoat.kernels.errors import DataError
from turncoat.kernels.settings import Settings
from turncoat.training.data import Dataset
from turncoat.training.evaluation.people import true_codes

STRUCTURAL = (
    "The official head makes both codes by one linear layer from the same 128 numbers, so either code determines the "
    "other by construction: an R2 near 1 says nothing of what training did."
)
DIRECTIONS = ((POSE_CODE, APPEARANCE), (APPEARANCE, POSE_CODE))
_SHUFFLED = ("dc", "dc_corrected", "dc_standardised", "dc_perfect")
_LABELS = {
    "dc": "distance correlation, as published",
    "dc_corrected": "distance correlation, bias-corrected",
    "dc_standardised": "the same, every channel in its own spread",
    "dc_perfect": "the same of perfect codes: {who} and true pose",
    "dc_given_pose": "both codes, given the true pose",
    "dc_people_given_pose": "pose code and {who}, given the true pose",
    "dc_pose_given_people": "appearance code and true pose, given the {who}",
}


class DependenceSettings(Settings):
    """frames: of the distance correlations (400: seed paper, section 6). permutations: of frames, and of recordings.

    exchanges: of recordings' remainders, for the nulls of partial distance correlations.
    draws: of recordings, for the intervals of distance correlations. fits: regressions on exchanged recordings.
    features: non-linear functions of the true pose that the pose-only code is made of.
    information: of information over bias; None leaves it out.
    """

    frames: int = Field(400, ge=20)
    permutations: int = Field(200, ge=20)
    exchanges: int = Field(40, ge=20)
    draws: int = Field(100, ge=20)
    fits: int = Field(20, ge=1)
    features: int = Field(600, ge=10)
    bootstrap: int = Field(1000, ge=1)
    information: InformationSettings | None = InformationSettings()
    seed: int = 0


class Correlation(NamedTuple):
    """A distance correlation. null: of exchanged recordings, or of a code whose remainder was; null_name: which.

    frames_null: of shuffled frames, too easy a null; None where there is none. note: one sentence, or "".
    """

    key: str
    found: Interval
    null: Interval
    null_name: str
    frames_null: Interval | None = None
    note: str = ""


@dataclass(frozen=True)
class Dependence:
    """What ties the two codes together.

    correlations: see `Correlation`. linear: (from, to, within) -> R2; within: after removing each person's mean.
    information: over bias; None where it was left out. official_head: see `NetworkCodes`. left_out: sentences.
    """

    network: str
    method: str | None
    described: dict[str, Any]
    settings: DependenceSettings
    correlations: list[Correlation]
    linear: dict[tuple[str, str, bool], Determined]
    information: Information | None
    official_head: bool | None
    left_out: list[str]

    @property
    def who(self) -> str:
        """What is asked for in the person's place: the wardrobe, where one body has several."""
        return "person" if self.described["people"][-1] == "subject" else str(self.described["people"][-1])

    def numbers(self) -> list[Number]:
        """Table 3, with nulls."""
        found = []
        for one in self.correlations:
            label = _LABELS[one.key].format(who=self.who)
            found.append(Number(one.key, label, one.found, "", one.null, one.null_name, one.note))
        for (origin, aim, within), fitted in self.linear.items():
            key = f"r2{'_within' if within else ''}_{aim}_from_{origin}"
            label = f"linear R2, {CODE_NAMES[aim]} from {CODE_NAMES[origin]}{', within a person' if within else ''}"
            note = STRUCTURAL if self.official_head else ""
            found.append(Number(key, label, fitted.r2, "share", fitted.null, "recordings exchanged", note))
        if self.information is not None:
            for code, ratio in self.information.ratio.items():
                spread = ", ".join(f"{each:.2f}" for each in self.information.by_seed[code])
                null = self.information.null[code]
                found.append(
                    Number(f"iob_{code}", f"information over bias, {CODE_NAMES[code]}", ratio, "ratio", null,
                           "" if null is None else "codes of other recordings", f"Seeds: {spread}.")
                )  # fmt: skip
        return found

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            **self.described,
            "settings": self.settings.model_dump(mode="json"),
            "numbers": {number.key: number.facts() for number in self.numbers()},
            "frames_null": {one.key: one.frames_null.facts() for one in self.correlations if one.frames_null},
            "channels": {
                f"{aim}_from_{origin}": dict(zip(("p5", "p50", "p95"), one.channels, strict=True))
                for (origin, aim, within), one in self.linear.items()
                if not within
            },
            "information": None if self.information is None else self.information.facts(),
            "official_head": self.official_head,
            "left_out": self.left_out,
        }


def dependence(
    network: Any,
    dataset: Dataset,
    settings: DependenceSettings | None = None,
    *,
    codes: NetworkCodes | None = None,
    progress: Progress | None = None,
) -> Dependence:
    """Distance correlations, linear R2 and information over bias of a network's codes, with their nulls.

    network: needs `encode` alone; it is not asked where `codes` (`gather_codes`) are given.

    Raises:
        DataError: too few frames or recordings.
    """
    settings = settings or DependenceSettings()
    codes = codes or gather_codes(network, dataset, progress=progress)
    found, left_out = correlations(codes, settings)
    known = None
    if settings.information is not None:
        known = information(codes, settings.information, progress=progress)
    return Dependence(
        codes.name,
        codes.method,
        codes.described(),
        settings,
        found,
        linear(codes, settings),
        known,
        codes.official_head,
        left_out,
    )


def linear(codes: NetworkCodes, settings: DependenceSettings) -> dict[tuple[str, str, bool], Determined]:
    """R2 of each code from the other, as they are and after removing each person's mean from both."""
    found = {}
    sequence = codes.train.column("sequence")
    for within in (False, True):
        train, test = (
            {code: _within(each, code, codes.people()) if within else each.array(code) for code in each.codes}
            for each in (codes.train, codes.test)
        )
        for origin, aim in DIRECTIONS:
            found[origin, aim, within] = determined(
                (train[origin], train[aim]),
                (test[origin], test[aim]),
                sequence,
                codes.test.clusters,
                permutations=settings.fits,
                draws=settings.bootstrap,
                seed=settings.seed,
            )
    return found


def correlations(codes: NetworkCodes, settings: DependenceSettings) -> tuple[list[Correlation], list[str]]:
    """All distance correlations, and a sentence for what could not be measured."""
    pool = codes.test
    if len(pool) < settings.frames:
        raise DataError(
            f"{len(pool)} frames were encoded, a distance correlation of {settings.frames} was asked for; encode more, "
            "or set frames lower: numbers of different sizes cannot be compared."
        )
    variables = _variables(codes, settings)
    apart = {name: dc.distances(values) for name, values in variables.items()}
    people = bool(apart["who"].any())
    left_out = [] if people else ["The frames show one person, so nothing is said of people."]

    def statistics(chosen: np.ndarray) -> dict[str, float]:
        some = np.ix_(chosen, chosen)
        u = {name: dc.u_centred(each[some]) for name, each in apart.items()}
        tied = {(a, b): dc.alike(u[a], u[b]) for a, b in _PAIRS}

        def partial(a: str, b: str, c: str) -> float:
            return dc.without(*(tied[_ordered(*pair)] for pair in ((a, b), (a, c), (b, c))))

        a, p = (dc.centred(apart[code][some]) for code in (APPEARANCE, POSE_CODE))
        values = {
            "dc": dc.biased(a, p),
            "dc_corrected": tied[APPEARANCE, POSE_CODE],
            "dc_standardised": dc.alike(u["a_standard"], u["p_standard"]),
            "dc_given_pose": partial(APPEARANCE, POSE_CODE, "pose"),
            "dc_given_pose/null": partial(APPEARANCE, "pose_only", "pose"),
        }
        if people:
            values |= {
                "dc_perfect": tied["pose", "who"],
                "dc_people_given_pose": partial(POSE_CODE, "who", "pose"),
                "dc_people_given_pose/null": partial("pose_only", "who", "pose"),
                "dc_people_given_pose/posture": partial("posture_only", "who", "pose"),
                "dc_pose_given_people": partial(APPEARANCE, "pose", "who"),
                "dc_pose_given_people/null": partial("people_only", "pose", "who"),
            }
        return values

    chosen = np.searchsorted(pool.rows, pool.spread(settings.frames).rows)
    values = statistics(chosen)
    intervals = dict(
        zip(
            values,
            drawn_intervals(
                np.array(list(values.values())),
                lambda some: np.array(list(statistics(some).values())),
                pool.clusters,
                settings.frames,
                draws=settings.draws,
                seed=settings.seed,
            ),
            strict=True,
        )
    )
    intervals["dc"] = intervals["dc"]._replace(low=max(intervals["dc"].low, 0.0), high=min(intervals["dc"].high, 1.0))
    recordings_of = pool.column("sequence")[chosen]
    nulls = _shuffled(apart, chosen, recordings_of, settings)
    alone = recordings_alone(variables, apart, chosen, recordings_of, exchanges=settings.exchanges, seed=settings.seed)
    found = []
    for key in _LABELS:
        if key in nulls and key in intervals:
            frames, recordings = nulls[key]
            note = f"Shuffled frames, too easy a null: {frames.value:.3f}."
            found.append(Correlation(key, intervals[key], recordings, "recordings exchanged", frames, note))
        elif key in intervals:
            only, posture = intervals[f"{key}/null"].value, intervals.get(f"{key}/posture")
            of = "person" if key == "dc_pose_given_people" else "true pose"
            note = f"A code of the {of} and nothing else: {only:.3f}"
            note += "" if posture is None else f"; of the directions of arms and legs alone: {posture.value:.3f}"
            note += f"; of the {of} and which recording it is: {alone[key].value:.3f}."
            null, name = alone[key], f"a code of the {of}, and of which recording it is"
            if only > null.value:  # both know nothing that they should not; the one that seems to know more counts
                null, name = exactly(only), f"a code of the {of} and nothing else"
            found.append(Correlation(key, intervals[key], null, name, note=note))
    return found, left_out


_PAIRS = tuple(
    tuple(sorted(pair))
    for pair in (
        (APPEARANCE, POSE_CODE),
        (APPEARANCE, "pose"),
        (POSE_CODE, "pose"),
        (APPEARANCE, "pose_only"),
        ("pose_only", "pose"),
        ("pose", "who"),
        (POSE_CODE, "who"),
        ("pose_only", "who"),
        ("posture_only", "pose"),
        ("posture_only", "who"),
        (APPEARANCE, "who"),
        ("people_only", "pose"),
        ("people_only", "who"),
    )
)


def _ordered(a: str, b: str) -> tuple[str, str]:
    return (a, b) if a < b else (b, a)


def _shuffled(
    apart: dict[str, np.ndarray], chosen: np.ndarray, sequence: np.ndarray, settings: DependenceSettings
) -> dict[str, tuple[Interval, Interval]]:
    """Of every number whose null is shuffled pairs: that of shuffled frames, and that of exchanged recordings."""
    some = np.ix_(chosen, chosen)
    centred = {code: dc.centred(apart[code][some]) for code in (APPEARANCE, POSE_CODE)}
    u = {name: dc.u_centred(apart[name][some]) for name in (*centred, "a_standard", "p_standard", "pose", "who")}
    random = np.random.default_rng([settings.seed, 3])
    drawn: dict[str, tuple[list[float], list[float]]] = {key: ([], []) for key in _SHUFFLED}
    for _ in range(settings.permutations):
        partners = shuffled_frames(len(chosen), random), shuffled_sequences(sequence, random)
        for place, partner in enumerate(partners):
            drawn["dc"][place].append(dc.biased(centred[APPEARANCE], centred[POSE_CODE], partner))
            drawn["dc_corrected"][place].append(dc.alike(u[APPEARANCE], u[POSE_CODE], partner))
            drawn["dc_standardised"][place].append(dc.alike(u["a_standard"], u["p_standard"], partner))
            drawn["dc_perfect"][place].append(dc.alike(u["who"], u["pose"], partner))
    return {key: (null_interval(np.array(one)), null_interval(np.array(two))) for key, (one, two) in drawn.items()}


def _variables(codes: NetworkCodes, settings: DependenceSettings) -> dict[str, np.ndarray]:
    """What distances are taken between: codes, true pose, person, and the two codes that say nothing else.

    who: the person, one channel each; the wardrobe alone where bodies and wardrobes are told apart.
    pose_only: the pose code as far as the true pose determines it, by a regression on training frames.
    posture_only: as far as the directions of arms and legs do.
    people_only: the mean appearance code of the person's frames.
    """
    train, test = codes.train, codes.test
    columns = codes.people()[-1:]
    names = test.column(columns[0])

    def as_far_as(fitted: np.ndarray, asked: np.ndarray) -> np.ndarray:
        features = [random_features(each, fitted, settings.features, settings.seed) for each in (fitted, asked)]
        ridge = RidgeFit(features[0], train.column("sequence"), settings.seed).fit(train.array(POSE_CODE))
        return ridge.predict(features[1])

    limbs = (true_codes(each.dataset, each.rows)["true_limbs"].double().numpy() for each in (train, test))
    return {
        APPEARANCE: test.array(APPEARANCE),
        POSE_CODE: test.array(POSE_CODE),
        "a_standard": test.array(APPEARANCE) / train.array(APPEARANCE).std(0).clip(min=1e-9),
        "p_standard": test.array(POSE_CODE) / train.array(POSE_CODE).std(0).clip(min=1e-9),
        "pose": test.pose(),
        "who": (names[:, None] == np.unique(names)[None]).astype(np.float64),
        "pose_only": as_far_as(train.pose(), test.pose()),
        "posture_only": as_far_as(*limbs),
        "people_only": test.array(APPEARANCE) - _within(test, APPEARANCE, columns),
    }


def _within(frames: FrameCodes, code: str, columns: list[str]) -> np.ndarray:
    """A code (N, C) minus the mean of each person's frames."""
    values = frames.array(code)
    names = np.array([" ".join(each) for each in zip(*(frames.column(name) for name in columns), strict=True)])
    number = np.unique(names, return_inverse=True)[1].reshape(-1)
    means = np.zeros((number.max() + 1, values.shape[1]))
    np.add.at(means, number, values)
    return values - (means / np.bincount(number)[:, None])[number]
