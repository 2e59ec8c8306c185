"""All analyses of a network by name: what each asks, what it needs, how it is run.

    for analysis in chosen(["wardrobe", "swap"]):
        outcome = look(analysis, Case("nsd", network, dataset))

What a network or a dataset does not allow (no decoder, no crossed set, too few subjects) is left out with the sentence
that says why; the rest is done.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from turncoat.engine.analysis.number import Number
from turncoat.kernels.errors import ConfigError, DataError, TurncoatError
from turncoat.training.data import Dataset

Progress = Callable[..., None]
EVERYDAY = "everyday"


class Result(Protocol):
    """What an analysis answers with."""

    def numbers(self) -> list[Number]:
        """Its numbers, the most telling first."""
        ...

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        ...


@dataclass
class Case:
    """A network under analysis, and what its analyses share.

    Attributes:
        name: of the network, in every table and picture.
        network: `predict` alone is enough for some analyses.
        data: dataset. crossed: factorial set of the recipe `crossed`, or None.
        folder: where the run of its attacks lies.
        device: where attacks run; see `AttackSettings`.
        command: command line to record in runs.
        split, group: of the frames that are looked at; group None: of all actions.
        source: what the network was opened by, for other processes; None: it is none of a file.
    """

    name: str
    network: Any
    data: Dataset
    crossed: Dataset | None = None
    folder: Path = Path("runs/analyses")
    device: str = "auto"
    command: str | None = None
    source: str | None = None
    split: str = "held-out"
    group: str | None = EVERYDAY
    _codes: Any = field(default=None, repr=False)

    def codes(self, progress: Progress | None = None) -> Any:
        """Codes of training and held-out frames (`NetworkCodes`), encoded once.

        Raises:
            ConfigError: the network does not encode. DataError: too few frames.
        """
        from turncoat.engine.analysis.codes import FrameSettings, gather_codes

        if self._codes is None:
            _needs(self, "encode", "has no codes (it only predicts poses)")
            frames = FrameSettings(split=self.split, group=self.group)
            self._codes = gather_codes(self.network, self.data, frames, name=self.name, progress=progress)
        return self._codes


@dataclass(frozen=True)
class Analysis:
    """An analysis.

    Attributes:
        key: its name on the command line. title: its name on pages. question: what it asks, in a sentence.
        paper: the paper's figures or tables that it reproduces; "" where it is ours.
        run: case and progress -> result.
        draw: results of several networks and a folder -> files of figures, PNG first.
        headline: keys of the numbers that stand for it on a card and in a comparison.
    """

    key: str
    title: str
    question: str
    paper: str
    run: Callable[[Case, Progress | None], Result]
    draw: Callable[[Sequence[Any], Path], list[Path]]
    headline: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeftOut:
    """An analysis that could not be done, and the sentence that says why."""

    key: str
    network: str
    why: str

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {"analysis": self.key, "network": self.network, "why": self.why}


def look(analysis: Analysis, case: Case, progress: Progress | None = None) -> Result | LeftOut:
    """Run one analysis; bad input to it is no error here but a sentence."""
    try:
        return analysis.run(case, progress)
    except TurncoatError as error:
        return LeftOut(analysis.key, case.name, str(error))


def chosen(names: Sequence[str] | None = None) -> list[Analysis]:
    """The analyses of those names, in the order of the catalogue; all where None.

    Raises:
        ConfigError: an unknown name.
    """
    for name in names or ():
        if name not in ANALYSES:
            raise ConfigError(f"There is no analysis {name!r}; choose from {', '.join(ANALYSES)}.")
    return [one for key, one in ANALYSES.items() if not names or key in names]


def _needs(case: Case, verb: str, lacks: str) -> None:
    if not hasattr(case.network, verb) or (verb == "paint" and getattr(case.network, "has_decoder", True) is False):
        raise ConfigError(f"{case.name} {lacks}; this analysis needs a network that can {verb}.")
    if verb == "predict" and getattr(case.network, "has_regressor", True) is False:
        raise ConfigError(f"{case.name} {lacks}; run `turncoat fit-regressor` on it first.")


def _paints(case: Case) -> None:
    _needs(case, "paint", "has no decoder, so it cannot repaint")


def _wardrobe(case: Case, progress: Progress | None) -> Result:
    from turncoat.engine.analysis.wardrobe import WardrobeSettings, wardrobe_test

    if case.crossed is None:
        raise DataError(
            "There is no crossed set to compare on; render one with `turncoat render --recipe crossed --out DIR` and "
            "give it with --crossed."
        )
    settings = WardrobeSettings(group=case.group or EVERYDAY)
    return wardrobe_test(case.network, case.crossed, settings, progress=progress)


def _attack(case: Case, progress: Progress | None) -> Result:
    from turncoat.engine.analysis.attacked import AttackedSettings, measure_attacks

    _needs(case, "predict", "has no pose regressor")
    settings = AttackedSettings(device=case.device, split=case.split, group=case.group)
    return measure_attacks(
        case.network, case.data, case.folder / "attack", settings, name=case.name, progress=progress,
        command=case.command,
    )  # fmt: skip


def _swap(case: Case, progress: Progress | None) -> Result:
    from turncoat.engine.analysis.repaint import SwapSettings, swap_appearance

    _paints(case)
    settings = SwapSettings(split=case.split, group=case.group)
    return swap_appearance(case.network, case.data, settings, progress=progress)


def _zero(case: Case, progress: Progress | None) -> Result:
    from turncoat.engine.analysis.repaint import ZeroSettings, zero_appearance

    _paints(case)
    settings = ZeroSettings(split=case.split, group=case.group)
    return zero_appearance(case.network, case.data, settings, progress=progress)


def _channels(case: Case, progress: Progress | None) -> Result:
    from turncoat.engine.analysis.repaint import ChannelSettings, replace_channels

    _paints(case)
    settings = ChannelSettings(split=case.split, group=case.group)
    return replace_channels(case.network, case.data, settings, progress=progress)


def _dependence(case: Case, progress: Progress | None) -> Result:
    from turncoat.engine.analysis.codes import dependence

    return dependence(case.network, case.data, codes=case.codes(progress), progress=progress)


def _embedding(case: Case, progress: Progress | None) -> Result:
    from turncoat.engine.analysis.codes import embedding

    return embedding(case.network, case.data, codes=case.codes(progress), progress=progress)


def _probes(case: Case, progress: Progress | None) -> Result:
    from turncoat.engine.analysis.codes import probes

    return probes(case.network, case.data, codes=case.codes(progress), progress=progress)


def _drawn(module: str, function: str) -> Callable[[Sequence[Any], Path], list[Path]]:
    """A function of a module of figures, imported when something is drawn."""

    def draw(results: Sequence[Any], folder: Path) -> list[Path]:
        found: list[Path] = getattr(import_module(f"turncoat.engine.report.{module}"), function)(results, folder)
        return found

    return draw


def _draw_wardrobe(results: Sequence[Any], folder: Path) -> list[Path]:
    from turncoat.engine.report.wardrobe_figure import draw_wardrobe
    from turncoat.engine.report.wardrobe_strip import draw_wardrobe_strip

    return [*draw_wardrobe(results, folder), *draw_wardrobe_strip(results, folder)]


def _draw_attack(results: Sequence[Any], folder: Path) -> list[Path]:
    from turncoat.engine.report.curves_plot import draw_curves

    folder.mkdir(parents=True, exist_ok=True)
    return draw_curves([curve for one in results for curve in (one.codes, one.colours) if curve is not None], folder)


def _draw_embedding(results: Sequence[Any], folder: Path) -> list[Path]:
    from turncoat.engine.report.embedding_figure import draw_embedding

    return [file for one in results for file in draw_embedding(one, folder)]


ANALYSES: dict[str, Analysis] = {
    one.key: one
    for one in (
        Analysis(
            "wardrobe",
            "Wardrobe test",
            "The same person in the same pose before the same camera: how far does the network's error move when only "
            "the colours of the clothes change, their cut, the body, the room, or a cast shadow?",
            "",
            _wardrobe,
            _draw_wardrobe,
            ("colours_seen_mpjpe_mm", "colours_seen_growth_mm", "colours_seen_grows_50mm", "colours_unseen_mpjpe_mm",
             "colours_unseen_growth_mm", "shape_mpjpe_mm", "body_mpjpe_mm", "background_mpjpe_mm", "shadow_mpjpe_mm"),
        ),
        Analysis(
            "attack",
            "Attacks by appearance and by colours",
            "How far does the pose move when the appearance code, or the colours of the clothes, are searched?",
            "",
            _attack,
            _draw_attack,
            ("initial_mm", "codes_area_mm", "codes_fooled", "colours_mm"),
        ),
        Analysis(
            "swap",
            "Swapped appearance",
            "The pose of one person, the appearance of another: whose colours does the child wear, and does its pose "
            "stay where it was?",
            "Figures 2 and 8",
            _swap,
            _drawn("swap_figure", "draw_swap"),
            ("appearance_share", "pose_change_mpjpe_mm", "pose_noise_mm"),
        ),
        Analysis(
            "zero",
            "Zero appearance",
            "Everybody painted with a code of zeros, or with the mean code: who is it, still?",
            "Figures 3 and 10",
            _zero,
            _drawn("zero_figure", "draw_zero"),
            ("subject_zero", "subject_mean", "subject_own", "subject_silhouette", "colours_kept_zero"),
        ),
        Analysis(
            "embedding",
            "t-SNE of the codes",
            "Do frames lie together by action or by person, in the appearance code and in the pose code?",
            "Figures 4 and 9",
            _embedding,
            _draw_embedding,
            ("knn_action_appearance", "knn_subject_appearance", "knn_action_pose_code", "knn_subject_pose_code"),
        ),
        Analysis(
            "channels",
            "Channels of the pose code",
            "Two people in similar poses: which channels of the pose code differ, and what do they carry, clothes or "
            "pose?",
            "Figures 5 and 6",
            _channels,
            _drawn("channels_figure", "draw_channels"),
            ("difference_ratio", "clothes_whole", "clothes_highest_200", "clothes_lowest_500", "separation"),
        ),
        Analysis(
            "dependence",
            "Dependence of the codes",
            "How far does one code determine the other, and how much of the picture is in either?",
            "Table 3",
            _dependence,
            _drawn("dependence_figure", "draw_dependence"),
            ("dc", "dc_corrected", "dc_given_pose", "r2_appearance_from_pose_code", "iob_appearance", "iob_pose_code"),
        ),
        Analysis(
            "probes",
            "Pose in the appearance code, people in the pose code",
            "What does each code tell that is the other's business?",
            "",
            _probes,
            _drawn("probes_figure", "draw_probes"),
            ("pose_pose_code_mm", "pose_appearance_mm", "subject_pose_code_linear", "subject_appearance_linear"),
        ),
    )
}  # fmt: skip
"""By name, in the order of pages."""
