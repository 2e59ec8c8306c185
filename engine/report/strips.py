"""Tables whose rows carry a strip of dots: every frame on one common scale, beside the numbers about it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from turncoat.engine.report.names import colour_of, distance, percent, short_name
from turncoat.engine.report.numbers import Group, Measured, median
from turncoat.engine.report.svg import Plot, Scale, log_ticks, swarm
from turncoat.engine.report.tables import Cell, control_table, share_cell

WIDTH, _HEIGHT = 380.0, 44.0
_DOTS = 400  # more than that is a smear; a regular sample of the sorted values is drawn


@dataclass(frozen=True)
class StripRow:
    """A name, its strip, its numbers."""

    name: str
    css: str
    strip: Markup
    cells: tuple[Cell, ...]
    strong: bool = False


@dataclass(frozen=True)
class StripTable:
    """Rows over a common axis.

    Attributes:
        title: what the axis measures; `columns`: names of the numbers; `axis`: the drawing below the strips.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[StripRow, ...]
    axis: Markup


@dataclass(frozen=True)
class _Common:
    """What all strips of a table share: the scale, a line (threshold) and a shaded part (everything below a value)."""

    scale: Scale
    line: float | None = None
    region: float | None = None

    def strip(self, values: np.ndarray, css: str, label: str) -> Markup:
        """Dots of the values (not finite ones left out) and their median."""
        plot = Plot(WIDTH, _HEIGHT, label)
        self._ground(plot)
        shown = np.sort(values[np.isfinite(values)])
        if not len(shown):
            return plot.render()
        middle = median(shown)
        if len(shown) > _DOTS:
            shown = shown[np.linspace(0, len(shown) - 1, _DOTS).round().astype(int)]
        places = np.array([self.scale(value) for value in shown])
        for x, offset in zip(places, swarm(places, 2.1, 15.0), strict=True):
            plot.dot(x, _HEIGHT / 2 + offset, 2.0, f"dot {css}")
        plot.line(self.scale(middle), 3, self.scale(middle), _HEIGHT - 3, f"median {css}")
        return plot.render()

    def axis(self, title: str, line_name: str = "", region_name: str = "") -> Markup:
        """Ticks, the title, and the names of the line and of the shaded part."""
        plot = Plot(WIDTH, 54, title)
        steps = log_ticks(self.scale.low, self.scale.high)
        plot.line(self.scale.start, 0.5, self.scale.stop, 0.5, "axis")
        for step in steps:
            if self.line is None or abs(self.scale(step) - self.scale(self.line)) > 24:
                plot.text(self.scale(step), 15, f"{step:g}", "tick", "middle")
        if self.line is not None:
            plot.line(self.scale(self.line), 0, self.scale(self.line), 5, "threshold")
            plot.text(self.scale(self.line), 16, line_name, "note strong", "middle")
        if self.region is not None:
            plot.line(self.scale.start, 2, self.scale(self.region), 2, "reach")
            plot.text(self.scale.start, 46, region_name, "note natural")
        plot.text(self.scale.start, 31, title, "title")
        return plot.render()

    def _ground(self, plot: Plot) -> None:
        if self.region is not None:
            plot.rect(self.scale.start, 0, self.scale(self.region) - self.scale.start, _HEIGHT, "region")
        for step in log_ticks(self.scale.low, self.scale.high):
            plot.line(self.scale(step), 0, self.scale(step), _HEIGHT, "grid")
        if self.line is not None:
            plot.line(self.scale(self.line), 0, self.scale(self.line), _HEIGHT, "threshold")


def control_strips(attacks: Sequence[Measured], threshold: float) -> dict[str, StripTable]:
    """Each attack and what stands beside it: how far it moves every frame, and how often past the threshold.

    Returns:
        A table for each attack that has attacked frames, by its key, all on one scale.
    """
    every = _positive([part.verified for attack in attacks for part in (attack, *attack.controls)])
    if not len(every):
        return {}
    common = _Common(_log_scale(max(every.min(), 0.1), max(every.max(), threshold)), line=threshold)
    return {attack.key: _beside(attack, common, threshold) for attack in attacks if np.isfinite(attack.verified).any()}


def _beside(attack: Measured, common: _Common, threshold: float) -> StripTable:
    table = control_table(attack, threshold)
    rows = []
    for part, row in zip((attack, *attack.controls), table.rows, strict=True):
        css = colour_of(part.key)
        rows.append(
            StripRow(
                row.name, css, common.strip(part.verified, css, f"errors of {row.name}"), row.cells, part is attack
            )
        )
    axis = common.axis("error, mm (log); the bar is the median", f"{threshold:.0f}")
    return StripTable("error of every frame, mm", table.columns[1:], tuple(rows), axis)


def code_strips(group: Group, radius: float | None) -> StripTable | None:
    """How far the codes lie from natural ones, as encoded and after each attack on them.

    Args:
        group: the frames.
        radius: Mahalanobis distance within which 99 % of natural codes lie, or None.
    """
    if not group.appearance:
        return None
    start = group.appearance[0].attacked["appearance_mahalanobis_start"]
    parts: list[tuple[str, str, np.ndarray, Measured | None]] = [("as encoded", "truth", start, None)]
    parts += [
        (f"after {short_name(a.key)}", colour_of(a.key), a.attacked["appearance_mahalanobis"], a)
        for a in group.appearance
    ]
    parts = [part for part in parts if np.isfinite(part[2]).any()]
    if len(parts) < 2:
        return None
    every = _positive([values for _, _, values, _ in parts] + ([np.array([radius])] if radius else []))
    common = _Common(_log_scale(every.min(), every.max()), region=radius)
    rows = []
    for name, css, values, attack in parts:
        known = values[np.isfinite(values)]
        # float32 codes on the ball's surface come out a hair outside
        outside = Cell(percent(float((known > 1.001 * radius).mean())) if radius else "–")
        fooled = share_cell(attack.fooled, css) if attack else Cell("–")
        rows.append(
            StripRow(
                name,
                css,
                common.strip(values, css, f"distances {name}"),
                (Cell(distance(median(values))), outside, fooled),
                attack is not None,
            )
        )
    title = "Mahalanobis distance from natural codes (log); the bar is the median"
    words = f"within {radius:.1f}: 99 % of natural codes" if radius else ""
    return StripTable(
        "distance of every frame's code",
        ("median", "outside", "fooled"),
        tuple(rows),
        common.axis(title, region_name=words),
    )


def _log_scale(low: float, high: float) -> Scale:
    return Scale(0.85 * low, 1.2 * high, 12, WIDTH - 14, "log")


def _positive(columns: Sequence[np.ndarray]) -> np.ndarray:
    values = np.concatenate([np.zeros(0), *columns])
    return values[np.isfinite(values) & (values > 0)]
