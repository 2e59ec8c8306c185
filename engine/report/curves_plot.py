"""The picture of budget curves: error above, success below; a column for codes and one for colours."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from turncoat.engine.analysis.curves import BudgetCurves, Curve
from turncoat.engine.report.figure_files import INK, QUIET, RULE, new_figure, save_figure
from turncoat.engine.report.palette import network_colours, network_marks

SHOWN = {"codes": "random direction", "colours": "random corners"}
"""The control that is drawn: as long as the attack and not searched for; of corners the strongest of several."""
AXIS = {
    "codes": "distance from the own code, in standard deviations of natural codes",
    "colours": "largest change of a colour channel",
}


MANY = 4
"""Networks from which on the legend has no room among the curves; controls stand in one line with their attack."""


def draw_curves(curves: Sequence[BudgetCurves], folder: Path) -> list[Path]:
    """Write curves.png, curves.pdf and curves.svg into the folder; bands are the attacks' 95 % intervals, controls
    are dashed."""
    families = [family for family in SHOWN if any(one.family == family for one in curves)]
    many = len({one.network for one in curves}) >= MANY
    figure = new_figure(1.6 + (5.2 + 2.2 * many) * len(families), 7.2)
    axes = figure.subplots(2, len(families), squeeze=False, sharex="col")
    names = [one.network for one in curves]
    colours, marks = network_colours(names), network_marks(names)
    for column, family in enumerate(families):
        mine = [one for one in curves if one.family == family]
        for one in mine:
            _network(one, axes[0][column], axes[1][column], colours[one.network], marks[one.network], many)
        _finish(mine, axes[0][column], axes[1][column], many)
    figure.tight_layout()
    return save_figure(figure, folder, "curves")


def _network(found: BudgetCurves, error: Any, success: Any, colour: str, mark: str, many: bool) -> None:
    control = found.control(SHOWN[found.family])
    for axis, part in ((error, "error_mm"), (success, "success")):
        words = f"{found.network}: {_area(found.attack, part)}"
        if many and control is not None:
            words += f" ({_area(control, part)})"
        _line(axis, found.attack, part, words, colour, mark)
        if control is not None:
            words = "_" if many else f"{found.network}, {control.name}: {_area(control, part)}"
            _line(axis, control, part, words, colour, None)


def _area(curve: Curve, part: str) -> str:
    return f"{curve.error_area_mm.value:.0f} mm" if part == "error_mm" else f"{100 * curve.success_area.value:.0f} %"


def _line(axis: Any, curve: Curve, part: str, label: str, colour: str, mark: str | None) -> None:
    """A curve with its band; dashed, without marks and band, where it is a control's."""
    budgets = [point.budget for point in curve.points]
    values = [getattr(point, part) for point in curve.points]
    style = (
        {"linestyle": "--", "linewidth": 1.2}
        if mark is None
        else {"marker": mark, "linewidth": 2, "markersize": 5, "clip_on": False}
    )
    axis.plot(budgets, [one.value for one in values], color=colour, label=label, zorder=3, **style)
    if mark is not None and all(one.known for one in values):
        low, high = ([getattr(one, side) for one in values] for side in ("low", "high"))
        axis.fill_between(budgets, low, high, color=colour, alpha=0.16, linewidth=0, zorder=1)


def _finish(found: Sequence[BudgetCurves], error: Any, success: Any, many: bool) -> None:
    """Titles, scales, the threshold, legends with the areas."""
    first = found[0]
    most = max(one.budgets[-1] for one in found)
    for axis in (error, success):
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axis.spines[side].set_color(QUIET)
        axis.tick_params(colors=QUIET, labelsize=8.5, length=3, labelbottom=True)
        axis.grid(axis="y", color="#eeeeee", linewidth=0.8)
        axis.set_axisbelow(True)
        axis.set_xlim(0, most)
        axis.set_xticks(sorted({budget for one in found for budget in one.budgets}))
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        title = f"area under the curve\n(dashed: {SHOWN[first.family]})" if many else "area under the curve"
        where = {"bbox_to_anchor": (1.02, 1)} if many else {}
        legend = axis.legend(fontsize=7.5, frameon=False, loc="upper left", title=title, **where)
        legend.get_title().set(fontsize=7.5, color=QUIET)
    what = {"codes": "appearance code", "colours": "colours of the clothes"}[first.family]
    error.set_title(f"Attacks on the {what}: mean error, mm", fontsize=10, loc="left", color=INK)
    success.set_title(f"Share past {first.threshold_mm:g} mm, %", fontsize=10, loc="left", color=INK)
    error.set_ylim(bottom=0)
    success.set_ylim(-0.02, 1.02)
    success.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100"])
    error.axhline(first.threshold_mm, color=RULE, linewidth=1, zorder=0)
    success.set_xlabel(f"budget: {AXIS[first.family]}", fontsize=8.5, color=QUIET)
