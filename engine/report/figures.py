"""The charts of the report. Each takes numbers and returns an inline SVG, or None when the run has nothing to draw."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from turncoat.engine.report.names import colour_of, short_name
from turncoat.engine.report.numbers import Measured, mean
from turncoat.engine.report.svg import WIDTH, Plot, Scale
from turncoat.engine.report.svg import ticks as linear_ticks

_LEFT = 46.0


def error_over_iterations(attack: Measured, threshold: float, limit: int) -> Markup | None:
    """Median error at every iteration with the bands that hold half and nine tenths of the frames."""
    curves = _curves(attack, limit)
    if curves is None:
        return None
    height = 250.0
    x = Scale(0, limit, _LEFT, WIDTH - 16, "log1p")
    top = max(float(np.quantile(curves, 0.98)), threshold) * 1.12
    y = Scale(0, top, height - 44, 34)
    css = colour_of(attack.key)
    plot = Plot(WIDTH, height, f"Error over the iterations of {attack.key}")
    plot.y_axis(y, _LEFT, linear_ticks(0, top), WIDTH - 16)
    plot.x_axis(x, height - 44, _iteration_ticks(limit), "iteration (log)")
    at = np.unique(np.round(np.expm1(np.linspace(0, np.log1p(limit), 160))).astype(int))
    levels = np.quantile(curves[:, at], [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
    for low, high, band in ((0, 4, "band wide"), (1, 3, "band")):
        edge = [(x(i), y(v)) for i, v in zip(at, levels[high], strict=True)]
        plot.path(
            edge + [(x(i), y(v)) for i, v in zip(at, levels[low], strict=True)][::-1], f"{band} {css}", closed=True
        )
    plot.path([(x(i), y(v)) for i, v in zip(at, levels[2], strict=True)], f"curve {css}")
    plot.line(_LEFT, y(threshold), WIDTH - 16, y(threshold), "threshold")
    plot.text(_LEFT + 6, y(threshold) - 6, f"{threshold:.0f} mm", "note strong")
    plot.runs(
        12,
        18,
        [(short_name(attack.key), f"label {css}"), ("  error in mm: median, half of the frames, nine tenths", "title")],
    )
    return plot.render()


def share_fooled(attacks: Sequence[Measured], limits: dict[str, int]) -> Markup | None:
    """Share of frames fooled within so many iterations, a line an attack: the distribution of iterations."""
    drawn = [attack for attack in attacks if attack.fooled.total]
    if not drawn:
        return None
    height, right = 280.0, WIDTH - 96
    limit = max(limits[attack.key] for attack in drawn)
    x, y = Scale(0, limit, _LEFT, right, "log1p"), Scale(0, 1, height - 44, 34)
    plot = Plot(WIDTH, height, "Share of frames fooled within a number of iterations")
    for tick in (0, 0.25, 0.5, 0.75, 1):
        plot.line(_LEFT, y(tick), right, y(tick), "grid")
        plot.text(_LEFT - 7, y(tick) + 4, f"{100 * tick:.0f} %", "tick", "end")
    plot.text(12, 18, "share of frames fooled within so many iterations", "title")
    plot.x_axis(x, height - 44, _iteration_ticks(limit), "iteration (log)")
    ends = []
    for attack in drawn:
        steps = np.sort(attack.steps_when_fooled)
        points, share = [(x(0), y(0))], 0.0
        for step in steps:
            points.append((x(step), y(share)))
            share += 1 / attack.fooled.total
            points.append((x(step), y(share)))
        points.append((x(limits[attack.key]), y(share)))
        plot.path(points, f"curve {colour_of(attack.key)}")
        if limits[attack.key] < limit:
            plot.line(points[-1][0], y(share), right, y(share), f"onward {colour_of(attack.key)}")
        ends.append((y(share), attack))
    previous = -100.0
    for place, attack in sorted(ends, key=lambda item: item[0]):
        previous = max(place + 4, previous + 15)
        plot.text(
            right + 7,
            previous,
            f"{short_name(attack.key)} {100 * attack.fooled.value:.0f} %",
            f"label {colour_of(attack.key)}",
        )
    return plot.render()


def kinds_of_error(attacks: Sequence[Measured]) -> Markup | None:
    """Mean MPJPE, N-MPJPE and PA-MPJPE of each attack on one scale: what is left as more is forgiven."""
    rows: list[tuple[Measured, list[float]]] = []
    for attack in attacks:
        values = [mean(attack.attacked[name]) for name in ("error_verified_mm", "error_n_mm", "error_pa_mm")]
        if np.isfinite(values).all():
            rows.append((attack, values))
    if not rows:
        return None
    pitch, top = 58.0, 20.0
    bottom = top + pitch * len(rows)
    high = max(value for _, values in rows for value in values) * 1.25
    scale = Scale(0, high, 14, WIDTH - 14)
    plot = Plot(WIDTH, bottom + 44, "Mean MPJPE, N-MPJPE and PA-MPJPE of each attack")
    plot.x_axis(scale, bottom, linear_ticks(0, high), "mean error, mm", top=top - 6)
    for index, (attack, values) in enumerate(rows):
        y, css = top + pitch * index + 30, colour_of(attack.key)
        plot.line(scale(min(values)), y, scale(max(values)), y, f"rail {css}")
        plot.text(18, y - 14, short_name(attack.key), f"label {css}")
        full, scaled, aligned = values
        for value, mark in ((full, "full"), (scaled, "half"), (aligned, "hollow")):
            plot.dot(scale(value), y, 5.5, f"mark {mark} {css}")
        plot.text(scale(max(values)) + 11, y + 4, f"MPJPE {full:.0f}", "value")
        plot.text(scale(scaled), y + 21, f"N {scaled:.0f}", "value", "middle")
        plot.text(scale(min(values)) - 11, y + 4, f"PA {aligned:.0f}", "value", "end")
    return plot.render()


def _curves(attack: Measured, limit: int) -> np.ndarray | None:
    """Errors (N, limit + 1) at every iterate; a frame that has left keeps its last error."""
    recorded = [curve for curve in attack.attacked["error_curve_mm"] if curve is not None and len(curve)]
    if not recorded:
        return None
    out = np.empty((len(recorded), limit + 1))
    for row, curve in zip(out, recorded, strict=True):
        length = min(len(curve), limit + 1)
        row[:length], row[length:] = curve[:length], curve[length - 1]
    out = out[np.isfinite(out).all(axis=1)]
    return out if len(out) else None


def _iteration_ticks(limit: int) -> list[float]:
    """0, 1, 3, 10, 30, ... and the limit."""
    steps = [step for step in (0, 1, 3, 10, 30, 100, 300, 1000, 3000) if step <= 0.7 * limit]
    return [*map(float, steps), float(limit)]
