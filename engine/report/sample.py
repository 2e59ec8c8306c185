"""One attacked frame: which row it is, its numbers, and its picture with the three poses from two sides."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.report.gallery import strength
from turncoat.engine.report.names import short_name
from turncoat.engine.report.numbers import Measured, measure
from turncoat.engine.report.pictures import Sources, around, difference
from turncoat.engine.report.skeletons import view
from turncoat.engine.runs import Run
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.kernels.files import atomic_path
from turncoat.kernels.skeleton import BONES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, QUIET, RULE = "#222222", "#767676", "#dddddd"
CLEAN, INITIAL, ATTACKED = "#2166ac", "#6b7f3a", "#d6604d"
_VIEWS = {"turned by 38°": 38.0, "from the side": 90.0}
_RANKED = ("strongest", "median", "weakest")
_PICTURES = ("psnr_db", "ssim")


@dataclass(frozen=True)
class Sample:
    """One row of a run.

    Attributes:
        index: into ``run.table()``.
        row: its columns.
        rank: its place among the frames attacked so, 1 the strongest; None where it was not really attacked.
        of: how many those are.
        beside: control -> error of the 8-bit frame, mm, of the controls of the same frame.
    """

    index: int
    row: dict[str, Any]
    rank: int | None
    of: int
    beside: dict[str, float]

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON; without code, colours, poses and curve."""
        single = {name: value for name, value in self.row.items() if not isinstance(value, list)}
        return {**single, "rank": self.rank, "of": self.of, "controls": self.beside}


def find_sample(run: Run, sample: str, setting: str | None = None) -> Sample:
    """The row that a person means.

    Args:
        run: opened run.
        sample: a sample id; or ``strongest``, ``median``, ``weakest``; or a number, ``3`` or ``#3``: the third
            strongest. Strong is as in the report: fooled first, in few iterations, then the larger error.
        setting: of the attack; None: natural, or the first one where the run has no natural.

    Raises:
        ConfigError: the run has no such setting, or fewer frames than that.
        DataError: it has no rows, or no such sample.
    """
    setting = setting or _usual(run)
    rows = run.rows(setting=setting, control=None)
    if not len(rows["sample_id"]):
        known = sorted(set(run.table()["setting"].to_pylist()) - {"codes", "colours"})
        if not known:
            raise DataError(f"{run.folder} holds no results yet; resume the attack first.")
        raise ConfigError(f"{run.folder} has no frame under the setting {setting!r}; it has {', '.join(known)}.")
    rows["row"] = run.select(setting=setting, control=None)
    attack = measure(setting, setting, str(rows["attack"][0]), rows)
    order = attack.attacked["row"][strength(attack)].tolist()
    index = _named(run, sample, attack, order)
    row = run.table().slice(index, 1).to_pylist()[0]
    rank = order.index(index) + 1 if index in order else None
    return Sample(index, row, rank, len(order), _beside(run, row))


def _usual(run: Run) -> str:
    attacks = [str(name) for name in run.info["settings"]["attacks"]]
    return "natural" if "natural" in attacks else attacks[0]


def _named(run: Run, sample: str, attack: Measured, order: list[int]) -> int:
    """The index into the table of what `sample` names."""
    mine = np.flatnonzero(attack.rows["sample_id"] == sample)
    if len(mine):  # of several rows (targets, restarts) the strongest
        places = attack.rows["row"][mine].tolist()
        return int(min(places, key=lambda place: order.index(place) if place in order else len(order)))
    number = sample.removeprefix("#")
    if sample not in _RANKED and not number.isdecimal():
        ids = attack.rows["sample_id"]
        raise DataError(
            f"{run.folder} has no sample {sample!r} under {attack.key}; give a sample id (the first is {ids[0]}), "
            f"{', '.join(_RANKED)}, or a number: 1 is the strongest."
        )
    if not order:
        raise DataError(f"No frame of {run.folder} was attacked with {attack.key} to an end; give a sample id.")
    if sample in _RANKED:
        return int(order[{"strongest": 0, "median": (len(order) - 1) // 2, "weakest": -1}[sample]])
    if not 1 <= int(number) <= len(order):
        raise ConfigError(
            f"The sample is number {number}, and {len(order)} frames were attacked with {attack.key}; give 1, the "
            f"strongest, to {len(order)}."
        )
    return int(order[int(number) - 1])


def _beside(run: Run, row: dict[str, Any]) -> dict[str, float]:
    shared = "codes" if row["attack"] == "appearance" else "colours"
    found = run.rows(attack="control", sample_id=row["sample_id"], setting=[row["setting"], shared])
    pairs = zip(found["control"].tolist(), found["error_verified_mm"].tolist(), strict=True)
    return {name: error for name, error in pairs if math.isfinite(error)}


def numbers_of(sample: Sample) -> list[tuple[str, str]]:
    """(what, value) of the row, as a person reads them; what is not known is left out."""
    row = sample.row
    found = [("outcome", str(row["outcome"]))]
    if sample.rank is not None:
        found.append(("rank", f"{sample.rank} of {sample.of}"))
    if row["iterations"]:
        found.append(("iterations", f"{row['iterations']:,}"))
    names = {
        "error_initial_mm": "MPJPE before",
        "error_verified_mm": "MPJPE attacked",
        "error_n_mm": "N-MPJPE",
        "error_pa_mm": "PA-MPJPE",
        "error_gt_clean_mm": "true error, clean",
        "error_gt_attacked_mm": "true error, attacked",
        "judge_error_initial_mm": "the judge's, before",
        "judge_error_mm": "the judge's, attacked",
    }
    found += [(words, f"{row[name]:,.0f} mm") for name, words in names.items() if row.get(name) is not None]
    found += [(f"control: {name}", f"{error:,.0f} mm") for name, error in sample.beside.items()]
    if row["yaw_deg"] is not None:
        found.append(("turn", f"{row['yaw_deg']:.0f}°"))
    if row["appearance_mahalanobis"] is not None:
        start, end = row["appearance_mahalanobis_start"], row["appearance_mahalanobis"]
        found.append(("distance of the code", f"{start:,.1f} → {end:,.1f}"))
    if row["colour_shift_max"] is not None:
        found.append(("largest change of colour", f"{row['colour_shift_max']:.2f}"))
    if all(row[name] is not None for name in _PICTURES):
        found.append(("PSNR, SSIM", f"{row['psnr_db']:.1f} dB, {row['ssim']:.3f}"))
    return found


def draw_sample(run: Run, sample: Sample, sources: Sources, file: Path) -> None:
    """Paint the frame again and write a PNG: clean, initial, attacked and difference; below, the poses and the numbers.

    Raises:
        DataError: the row holds no code or colours, or its frame cannot be read.
        ConfigError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from turncoat.engine.attack import resynthesise

    assert sources.dataset is not None
    made = [np.moveaxis(one[0], 0, -1) for one in resynthesise(run, sources.dataset, sources.generator, [sample.index])]
    place = sources.dataset.rows([sample.row["sample_id"]])
    x0, y0, x1, y1 = around(sources.dataset.person_box(place)[0], made[0].shape[:2])
    up = sources.dataset.rotation(place)[0].astype(np.float64) @ np.array([0.0, 1.0, 0.0])
    row, by_code = sample.row, sample.row["attack"] == "appearance"
    figure = Figure(figsize=(11, 8.9), dpi=120, facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(3, 4, left=0.012, right=0.988, top=0.885, bottom=0.012, hspace=0.12, wspace=0.04)
    titles = {
        "clean": CLEAN,
        "initial repainting" if by_code else "recomposed": INITIAL,
        "attacked": ATTACKED,
        "attacked − initial, ×4" if by_code else "attacked − recomposed, ×4": INK,
    }
    for column, (picture, (title, colour)) in enumerate(
        zip([*made, difference(made[1], made[2])], titles.items(), strict=True)
    ):
        axis = _bare(figure.add_subplot(grid[0, column]))
        axis.imshow(picture[y0:y1, x0:x1], interpolation="lanczos")
        axis.set_title(title, fontsize=11, color=colour, fontweight="bold", pad=5)
    names = {"pose_clean": CLEAN, "pose_synthesis": INITIAL, "pose_attacked": ATTACKED}
    poses = [np.array(row[name], dtype=np.float64).reshape(17, 3) if row[name] else None for name in names]
    for line, (words, turn) in enumerate(_VIEWS.items(), 1):
        axes = [_bare(figure.add_subplot(grid[line, column])) for column in range(3)]
        _draw_poses(axes, [None if pose is None else pose @ view(turn, up).T for pose in poses], list(names.values()))
        axes[0].set_title(words, fontsize=9, color=QUIET, loc="left", pad=4)
        if line == 1:
            axes[1].set_title(_moved(row["error_initial_mm"]), fontsize=9.5, color=INK, pad=4)
            axes[2].set_title(_moved(row["error_verified_mm"]), fontsize=9.5, color=INK, pad=4)
    _write_numbers(_bare(figure.add_subplot(grid[1:, 3])), numbers_of(sample))
    title = f"{row['sample_id']}: {_title(row)}"
    figure.text(0.012, 0.975, title, fontsize=13, fontweight="bold", color=INK, va="top")
    figure.text(0.012, 0.945, _subtitle(row), fontsize=9.5, color=QUIET, va="top")
    with atomic_path(file) as temporary:
        figure.savefig(temporary, format="png")


def _title(row: dict[str, Any]) -> str:
    target, generator = row["target"], row["generator"]
    by = f", repainted by {generator}" if generator not in (None, target) else ""
    if row["outcome"] == Outcome.FOOLED.value:
        return f"{target} fooled by {short_name(row['setting'])}{by}"
    return f"{target} under {short_name(row['setting'])}{by}: {row['outcome']}"


def _subtitle(row: dict[str, Any]) -> str:
    known = [
        row["subject"],
        str(row["action"]).replace("_", " ") if row["action"] else None,
        row["scene"],
        row["split"],
    ]
    words = " · ".join(str(part) for part in known if part)
    poses = "Poses in camera axes about the pelvis, all at one scale; pale: the clean prediction."
    return f"{words}.  {poses}" if words else poses


def _moved(error: float | None) -> str:
    return "" if error is None else f"moved by {error:,.0f} mm"


def _bare(axis: "Axes") -> "Axes":
    axis.set_xticks([])
    axis.set_yticks([])
    for side in axis.spines.values():
        side.set_visible(False)
    return axis


def _draw_poses(axes: list["Axes"], poses: list[np.ndarray | None], colours: list[str]) -> None:
    """Poses (17, 3) of a viewer's axes (right, down, away), one an axis, all on one scale; the first lies under all."""
    points = np.concatenate([pose for pose in poses if pose is not None])[:, :2]
    low, high = points.min(0), points.max(0)
    middle, reach = (low + high) / 2, 0.56 * max(float((high - low).max()), 1200.0)
    for axis, pose, colour in zip(axes, poses, colours, strict=True):
        axis.set_facecolor("#f7f7f5")
        axis.set_xlim(middle[0] - reach, middle[0] + reach)
        axis.set_ylim(middle[1] + reach, middle[1] - reach)
        axis.set_aspect("equal")
        if poses[0] is not None and pose is not poses[0]:
            _draw_pose(axis, poses[0], "#b9cfe4", 1.8)
        if pose is not None:
            _draw_pose(axis, pose, colour, 2.8)


def _draw_pose(axis: "Axes", pose: np.ndarray, colour: str, width: float) -> None:
    for parent, child in sorted(BONES, key=lambda bone: -(pose[bone[0], 2] + pose[bone[1], 2])):
        ends = pose[[parent, child]]
        axis.plot(ends[:, 0], ends[:, 1], color=colour, linewidth=width, solid_capstyle="round")
    axis.plot(*pose[10, :2], "o", color=colour, markersize=2.2 * width)


def _write_numbers(axis: "Axes", numbers: list[tuple[str, str]]) -> None:
    step = min(0.055, 0.96 / len(numbers))
    for line, (what, value) in enumerate(numbers):
        height = 0.97 - line * step
        axis.text(0.03, height, what, transform=axis.transAxes, fontsize=9, color=QUIET, va="top")
        axis.text(0.97, height, value, transform=axis.transAxes, fontsize=9, color=INK, va="top", ha="right")
        below = height - 0.72 * step
        axis.plot([0.03, 0.97], [below, below], transform=axis.transAxes, color=RULE, linewidth=0.6)
