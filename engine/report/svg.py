"""Drawings as inline SVG: a plot area with two scales, and the few marks that the report's charts are made of.

Colours are CSS classes of templates/style.css, so one drawing serves light, dark and printed pages, and text takes the
page's own font. Numbers are user units; a chart is `WIDTH` wide whatever the screen.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup, escape

WIDTH = 460.0


@dataclass(frozen=True)
class Scale:
    """Data to user units: linear, log (positive values) or log1p (counts from 0).

    Attributes:
        low, high: data at the two ends; `start`, `stop`: user units there.
        kind: 'linear', 'log' or 'log1p'.
    """

    low: float
    high: float
    start: float
    stop: float
    kind: str = "linear"

    def __call__(self, value: float) -> float:
        """User units of a value; values beyond the ends are put at the ends."""
        position = (self._bend(value) - self._bend(self.low)) / (self._bend(self.high) - self._bend(self.low))
        return self.start + min(max(position, 0.0), 1.0) * (self.stop - self.start)

    def _bend(self, value: float) -> float:
        if self.kind == "log":
            return math.log(max(value, 1e-12))
        return math.log1p(max(value, 0.0)) if self.kind == "log1p" else value


@dataclass
class Plot:
    """A drawing that grows: marks are appended, `render` closes it.

    Attributes:
        width, height: user units.
        label: what the drawing shows, for people who cannot see it.
    """

    width: float
    height: float
    label: str
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, words: str, css: str = "", anchor: str = "start") -> None:
        """Words with their baseline at (x, y); `anchor` is start, middle or end."""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{css}">{escape(words)}</text>')

    def runs(self, x: float, y: float, runs: Sequence[tuple[str, str]]) -> None:
        """Words of several looks (words, css) on one line that starts at (x, y)."""
        spans = "".join(f'<tspan class="{css}" xml:space="preserve">{escape(words)}</tspan>' for words, css in runs)
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}">{spans}</text>')

    def line(self, x1: float, y1: float, x2: float, y2: float, css: str) -> None:
        """A straight line."""
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}"/>')

    def path(self, points: Iterable[tuple[float, float]], css: str, *, closed: bool = False) -> None:
        """A line through points; `closed` makes it an area."""
        steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        tag = "polygon" if closed else "polyline"
        self.parts.append(f'<{tag} points="{steps}" class="{css}"/>')

    def rect(self, x: float, y: float, width: float, height: float, css: str) -> None:
        """A rectangle."""
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" class="{css}"/>'
        )

    def dot(self, x: float, y: float, radius: float, css: str) -> None:
        """A filled circle."""
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" class="{css}"/>')

    def x_axis(self, scale: Scale, y: float, ticks: Sequence[float], title: str, *, top: float | None = None) -> None:
        """Ticks with numbers below y, hair lines up to `top`, and a title."""
        for tick in ticks:
            if top is not None:
                self.line(scale(tick), top, scale(tick), y, "grid")
            self.text(scale(tick), y + 16, number(tick), "tick", "middle")
        self.line(scale.start, y, scale.stop, y, "axis")
        self.text((scale.start + scale.stop) / 2, y + 34, title, "title", "middle")

    def y_axis(self, scale: Scale, x: float, ticks: Sequence[float], right: float) -> None:
        """Numbers left of x and hair lines to `right`."""
        for tick in ticks:
            self.line(x, scale(tick), right, scale(tick), "grid")
            self.text(x - 7, scale(tick) + 4, number(tick), "tick", "end")

    def render(self) -> Markup:
        """The drawing as an `<svg>` element."""
        return Markup(
            f'<svg viewBox="0 0 {self.width:.0f} {self.height:.0f}" role="img" aria-label="{escape(self.label)}">'
            f"<title>{escape(self.label)}</title>{''.join(self.parts)}</svg>"
        )


def number(value: float) -> str:
    """A tick's number: 0.3, 10, 1,000."""
    return f"{value:,.0f}" if value == round(value) else f"{value:g}"


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """About `wanted` round numbers from `low` to `high`."""
    span = max(high - low, 1e-9)
    step = 10 ** math.floor(math.log10(span / wanted))
    for factor in (1, 2, 2.5, 5, 10):
        if span / (step * factor) <= wanted:
            step *= factor
            break
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 3, 10, 30, ... between `low` and `high`; every power of two where the span is under a decade."""
    if high / low < 10:
        steps = [2.0**k for k in range(-10, 20)]
    else:
        steps = [base * 10.0**k for k in range(-4, 6) for base in (1, 3)]
    return [step for step in steps if low <= step * 1.0001 and step <= high * 1.0001]


def swarm(positions: np.ndarray, radius: float, reach: float) -> np.ndarray:
    """Offsets (N,) across the axis at which dots along it do not hide each other, squeezed to +-`reach`.

    Dots are put in bins a diameter wide and stacked outwards from the middle, in the order of their positions.
    """
    offsets = np.zeros(len(positions))
    bins = np.floor(np.asarray(positions, dtype=float) / (2 * radius)).astype(int)
    for bin_ in np.unique(bins):
        members = np.flatnonzero(bins == bin_)
        members = members[np.argsort(positions[members], kind="stable")]
        rank = np.arange(len(members))
        stacked = np.where(rank % 2 == 0, rank // 2, -(rank // 2 + 1)) * 2.0 * radius
        stacked -= stacked.mean()
        largest = np.abs(stacked).max()
        offsets[members] = stacked * min(1.0, reach / largest) if largest > 0 else stacked
    return offsets
