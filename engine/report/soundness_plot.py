"""The picture of a soundness check: success above, error below; over iterations, over step size, over budget."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from turncoat.engine.analysis.intervals import Interval
from turncoat.engine.analysis.soundness import Soundness
from turncoat.engine.analysis.soundness.measured import (
    Measured,
    attacked,
    error_over_steps,
    reached,
    share_over_steps,
)
from turncoat.engine.report.soundness_words import verdict

INK, QUIET, RULE = "#222222", "#767676", "#dddddd"
COLOURS = {
    "attack": "#1f5fa8",
    "longer": "#7fb2e5",
    "restarts": "#128a84",
    "gradient": "#d95f30",
    "adam": "#8a6bbf",
    "sign": "#c79a1e",
    "search": "#6b6b6b",
    "float32": "#b0568f",
    "generator": "#5a9a3a",
}
SHORT = {
    "attack": "the attack",
    "longer": "more iterations",
    "restarts": "restarts",
    "gradient": "gradient steps",
    "adam": "Adam",
    "sign": "sign steps",
    "search": "random search",
    "float32": "float32",
    "generator": "other generator",
}


def draw(found: Soundness, file: Path) -> None:
    """Write the picture, a PNG of 1,650 x 1,125 pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7.5), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        2, 4, left=0.045, right=0.905, top=0.815, bottom=0.085, hspace=0.2, wspace=0.2, width_ratios=(1.4, 0.18, 1, 1)
    )  # the narrow column is for names at the ends of lines
    axes = [[figure.add_subplot(grid[row, column]) for column in (0, 2, 3)] for row in range(2)]
    for line in axes:
        for axis in line:
            _plain(axis)
    _over_iterations(found, axes[0][0], axes[1][0])
    _over_step_size(found, axes[0][1], axes[1][1])
    if found.budgets:
        _over_budget(found, axes[0][2], axes[1][2])
    else:
        _over_threshold(found, axes[0][2])
        axes[1][2].set_axis_off()
    for axis in axes[0]:
        axis.set_ylim(-0.02, 1.02)
        axis.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])
    threshold = found.settings.threshold_mm
    for axis in axes[1][: 3 if found.budgets else 2]:
        axis.set_ylim(0, 1.06 * threshold)
        axis.axhline(threshold, color=RULE, linewidth=1, zorder=0)
    run = found.runs[0][1]
    words = f"{run.info['generator']['name']}, {found.settings.setting}: {verdict(found)}".replace("\u00a0", " ")
    figure.text(0.012, 0.975, textwrap.fill(words, 118), fontsize=11.5, fontweight="bold", color=INK, va="top")
    below = (
        f"{found.attack.frames} frames of {_many(found)}. Above: share past {threshold:.0f} mm, verified on the 8-bit "
        "frame. Below: mean error, none counting for more than that. Bars: 95 %."
    )
    figure.text(0.012, 0.895, below, fontsize=8.5, color=QUIET, va="top")
    figure.savefig(file, format="png")


def _over_iterations(found: Soundness, success: Any, error: Any) -> None:
    by_name = {variant.name: variant for variant, _ in found.runs}
    names = [name for name in COLOURS if name in by_name]
    ends: dict[Any, list[tuple[float, str]]] = {success: [], error: []}
    last = max(by_name[name].settings.iterations * by_name[name].settings.restarts for name in names)
    measured = {one.variant.name: one for one in (found.attack, *(each.measured for each in found.compared))}
    for name in reversed(names):
        variant, rows = by_name[name], found.rows[name]
        style = {"color": COLOURS[name], "linewidth": 2.4 if name == "attack" else 1.5}
        steps, shares = share_over_steps(rows, variant)
        success.step(steps, shares, where="post", **style)
        success.plot([steps[-1], last], [shares[-1]] * 2, color=COLOURS[name], linewidth=0.7, alpha=0.4)
        ends[success].append((float(shares[-1]), name))
        curve, end = error_over_steps(rows, variant), measured[name].reached_mm.value
        if curve is not None:
            error.plot(np.arange(len(curve)), curve, **style)
            error.plot([len(curve) - 1, last], [curve[-1]] * 2, color=COLOURS[name], linewidth=0.7, alpha=0.4)
            end = float(curve[-1])
        else:
            error.plot([last], [end], "o", color=COLOURS[name], markersize=5, clip_on=False)
        ends[error].append((end, name))
    for axis, high in ((success, 1.0), (error, 1.06 * found.settings.threshold_mm)):
        axis.set_xscale("symlog", linthresh=1, linscale=0.35)
        axis.set_xlim(0, last)
        ticks = [tick for tick in (0, 1, 3, 10, 30, 100, 300, 1000, 3000) if tick <= last]
        axis.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axis.minorticks_off()
        _labels(axis, ends[axis], last, high)
    success.set_title("over iterations", fontsize=10, loc="left", color=INK)
    error.set_xlabel("steps of all starts", fontsize=9, color=QUIET)


def _labels(axis: Any, ends: Sequence[tuple[float, str]], last: float, high: float) -> None:
    """Names at the right end of lines, as close to them as they may stand without touching."""
    gap = 0.052 * high
    places: list[float] = []
    ordered = sorted(ends)
    for value, _ in ordered:
        places.append(max(value, places[-1] + gap) if places else value)
    over = max(0.0, places[-1] - high) if places else 0.0
    for n in range(len(places) - 1, -1, -1):  # push down what would stand above the frame
        limit = high if n == len(places) - 1 else places[n + 1] - gap
        places[n] = min(places[n], limit) if over else places[n]
    for (_, name), place in zip(ordered, places, strict=True):
        axis.annotate(SHORT[name], (last, place), xytext=(5, 0), textcoords="offset points", fontsize=7.8, va="center",
                      color=COLOURS[name], annotation_clip=False,
                      fontweight="bold" if name == "attack" else "normal")  # fmt: skip


def _over_step_size(found: Soundness, success: Any, error: Any) -> None:
    tried = [one.measured for one in found.compared if one.measured.variant.name.startswith("step-")]
    line = sorted([found.attack, *tried], key=lambda one: one.step_size)
    others = [one.measured for one in found.compared if one.measured.variant.name in ("adam", "gradient", "sign")]
    sizes = [one.step_size for one in line]
    for axis, part in ((success, "fooled"), (error, "reached_mm")):
        _bars(axis, sizes, [getattr(one, part) for one in line], COLOURS["attack"], joined=True)
        for one in others:
            value = getattr(one, part)
            _bars(axis, [one.step_size], [value], COLOURS[one.variant.name])
            near = min(line, key=lambda each: abs(np.log(each.step_size / one.step_size)))
            _name(axis, one.variant.name, one.step_size, value.value, above=value.value >= getattr(near, part).value)
        _name(axis, "attack", sizes[-1], getattr(line[-1], part).value, above=None)
        axis.set_xscale("log")
        shown = sorted({*sizes, *(one.step_size for one in others)})
        axis.set_xlim(shown[0] / 1.6, shown[-1] * 7)  # room for the name
        apart = [size for n, size in enumerate(shown) if n == 0 or size > 1.25 * shown[n - 1]]
        axis.set_xticks(apart, [f"{size:.2g}" for size in apart])
        axis.minorticks_off()
    success.set_title("over the step size", fontsize=10, loc="left", color=INK)
    error.set_xlabel("step along a coordinate", fontsize=9, color=QUIET)


def _over_budget(found: Soundness, success: Any, error: Any) -> None:
    """The attack and the search in balls of several sizes; diamonds are what others reach in the ball of the attack."""
    searched = [one.measured for one in found.compared if one.measured.variant.optimiser == "random"
                and one.measured.variant.role in ("variant", "budget")]  # fmt: skip
    search = sorted(((one.variant.factor, one) for one in searched), key=lambda each: each[0])
    lines: list[tuple[str, Sequence[tuple[float, Measured]]]] = [("attack", found.budgets)]
    lines += [("search", search)] if search and found.attack.variant.optimiser != "random" else []
    beside = ("adam", "gradient", "sign", "restarts")
    single = [one.measured for one in found.compared if one.measured.variant.name in beside]
    factors = sorted({factor for _, line in lines for factor, _ in line})
    for axis, part, high in ((success, "fooled", 1.0), (error, "reached_mm", found.settings.threshold_mm)):
        here = getattr(found.attack, part).value
        for name, line in lines:
            values = [getattr(one, part) for _, one in line]
            _bars(axis, [factor for factor, _ in line], values, COLOURS[name], joined=True)
        named = [here]
        for one in single:
            name, value = one.variant.name, getattr(one, part).value
            axis.plot([1.0], [value], "D", color=COLOURS[name], markersize=5, zorder=4)
            if min(abs(value - other) for other in named) > 0.12 * high:  # else there is no room for the name
                _name(axis, name, 1.0, value, above=True)
                named.append(value)
        ends = [(getattr(line[-1][1], part).value, name) for name, line in lines]
        _labels(axis, ends, 1.15 * factors[-1], high)
        axis.set_xscale("log")
        axis.set_xlim(factors[0] / 1.15, factors[-1] * 1.15)
        axis.set_xticks(factors, [f"{factor:g}" for factor in factors])
        axis.minorticks_off()
        axis.axvline(1, color=RULE, linewidth=1, zorder=0)
    success.set_title("over the budget", fontsize=10, loc="left", color=INK)
    error.set_xlabel("radius of the ball, in that of natural codes", fontsize=9, color=QUIET)


def _name(axis: Any, name: str, x: float, y: float, *, above: bool | None) -> None:
    """A name right of a point: above, below or (None) beside it. On a white rim, so that lines may pass below it."""
    from matplotlib.patheffects import withStroke

    weight, down = "bold" if name == "attack" else "normal", {None: -3, True: 5, False: -12}[above]
    text = axis.annotate(SHORT[name], (x, y), xytext=(7, down), textcoords="offset points", fontsize=7.8,
                         color=COLOURS[name], zorder=6, fontweight=weight)  # fmt: skip
    text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])


def _over_threshold(found: Soundness, axis: Any) -> None:
    """For attacks without a bound: the share of frames past an error, of every error up to the threshold."""
    threshold = found.settings.threshold_mm
    for name in ("search", "attack"):
        if name not in found.rows or (name == "search" and found.attack.variant.optimiser == "random"):
            continue
        rows = found.rows[name]
        errors = np.sort(reached(rows, threshold)[attacked(rows)])
        shares = 1 - np.arange(len(errors)) / len(errors)
        axis.step(np.concatenate([[0], errors]), np.concatenate([[1], shares]), where="pre", color=COLOURS[name],
                  linewidth=2.4 if name == "attack" else 1.5)  # fmt: skip
        axis.annotate(SHORT[name], (errors[len(errors) // 2], 0.5), xytext=(5, 5), textcoords="offset points",
                      fontsize=7.8, color=COLOURS[name])  # fmt: skip
    axis.set_xlim(0, threshold)
    axis.set_title("share that reached an error", fontsize=10, loc="left", color=INK)
    axis.set_xlabel("error, mm", fontsize=9, color=QUIET)


def _bars(axis: Any, x: Sequence[float], values: Sequence[Interval], colour: str, *, joined: bool = False) -> None:
    middle = [one.value for one in values]
    if joined:
        axis.plot(x, middle, color=colour, linewidth=1.8, zorder=2)
    for at, one in zip(x, values, strict=True):
        if one.known:
            axis.plot([at, at], [one.low, one.high], color=colour, linewidth=1, alpha=0.55, zorder=1)
    axis.plot(x, middle, "o", color=colour, markersize=5, zorder=3)


def _plain(axis: Any) -> None:
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axis.spines[side].set_color(QUIET)
    axis.tick_params(colors=QUIET, labelsize=8.5, length=3)
    axis.grid(axis="y", color="#eeeeee", linewidth=0.8)
    axis.set_axisbelow(True)


def _many(found: Soundness) -> str:
    return " and ".join(f"{count} {name}" for count, name in
                        ((found.clusters.get("sequence"), "sequences"), (found.clusters.get("motion_id"), "recordings"))
                        if count)  # fmt: skip
