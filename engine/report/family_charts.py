"""The charts of the tables' page: a line a network, marks with their intervals. Each is an inline SVG or None."""

import math

from markupsafe import Markup

from turncoat.engine.analysis.intervals import Interval
from turncoat.engine.analysis.tables import FamilyTables
from turncoat.engine.report.family import shown
from turncoat.engine.report.names import colour_of, short_name
from turncoat.engine.report.svg import WIDTH, Plot, Scale, ticks

_LABELS, _RIGHT, _TOP = 118.0, WIDTH - 18, 42.0
_LANE = 15.0
_NULLS = (("random direction", "half"), ("other subjects", "hollow"))


def fooled_chart(tables: FamilyTables, group: str) -> Markup | None:
    """Share fooled under every setting, with the controls of the last one as small grey marks."""
    names = _names(tables)
    lanes = len(tables.settings)
    pitch = _LANE * lanes + 13
    bottom = _TOP + pitch * len(names)
    x = Scale(0, 100, _LABELS, _RIGHT)
    plot = Plot(WIDTH, bottom + 42, "Share of frames fooled, by network, setting and control")
    plot.x_axis(x, bottom, [0, 25, 50, 75, 100], "share of frames fooled, %", top=_TOP - 10)
    legend = [(f"{short_name(setting)}  ", f"label {colour_of(setting)}") for setting in tables.settings]
    plot.runs(2, 14, [*legend, ("grey: its controls, ● random direction, ○ other subjects", "title")])
    drawn = False
    for index, name in enumerate(names):
        top = _TOP + pitch * index
        plot.text(2, top + _LANE * lanes / 2 + 4, shown(tables.member(name)), "value")
        for lane, setting in enumerate(tables.settings):
            row = next((row for row in tables.errors(setting, group) if row.network == name), None)
            if row is None or not row.attacked:
                continue
            y, drawn = top + _LANE * (lane + 0.5), True
            for control, mark in _NULLS:
                beside = row.beside.get(control)
                if beside is not None:
                    plot.dot(x(100 * beside.success.value), y, 3.2, f"mark {mark} control")
            _mark(plot, x, row.success.scaled(100), y, colour_of(setting))
    return plot.render() if drawn else None


def errors_chart(tables: FamilyTables, group: str) -> Markup | None:
    """Initial and final error under every setting, on one scale with the threshold."""
    names = _names(tables)
    lanes = len(tables.settings)
    pitch = _LANE * lanes + 13
    bottom = _TOP + pitch * len(names)
    rows = [row for setting in tables.settings for row in tables.errors(setting, group) if row.attacked]
    if not rows:
        return None
    reach = [bound for row in rows for bound in (*row.final_mm[:3], *row.initial_mm[:3]) if math.isfinite(bound)]
    high = 1.08 * max(*reach, tables.threshold_mm)
    x = Scale(0, high, _LABELS, _RIGHT)
    plot = Plot(WIDTH, bottom + 42, "Initial and final error, by network and setting")
    plot.x_axis(x, bottom, ticks(0, high), "MPJPE to the clean prediction, mm", top=_TOP - 10)
    plot.line(x(tables.threshold_mm), _TOP - 10, x(tables.threshold_mm), bottom, "threshold")
    legend = [(f"{short_name(setting)}  ", f"label {colour_of(setting)}") for setting in tables.settings]
    words = f"○ initial  ● final; dashed: {tables.threshold_mm:.0f} mm, where an attack stops"
    plot.runs(2, 14, [*legend, (words, "title")])
    for index, name in enumerate(names):
        top = _TOP + pitch * index
        plot.text(2, top + _LANE * lanes / 2 + 4, shown(tables.member(name)), "value")
        for lane, setting in enumerate(tables.settings):
            row = next((row for row in rows if (row.network, row.setting) == (name, setting)), None)
            if row is None:
                continue
            y, css = top + _LANE * (lane + 0.5), colour_of(setting)
            plot.line(x(row.initial_mm.value), y, x(row.final_mm.value), y, f"rail {css}")
            _mark(plot, x, row.final_mm, y, css)
            _mark(plot, x, row.initial_mm, y, css, "hollow")
    return plot.render()


def differences_chart(tables: FamilyTables, setting: str, group: str) -> Markup | None:
    """Difference of the share fooled to the reference, over a band as wide as two seeds lie apart."""
    found = tables.differences[setting, group]
    if not found:
        return None
    spreads = [seen for spread in tables.spreads if (seen := spread.get(setting, group, "success")) is not None]
    band = 100 * max((seen.largest for seen in spreads), default=0.0)
    shares = [one.success.difference.scaled(100) for one in found]
    reach = 1.08 * max(5.0, band, *(abs(bound) for share in shares for bound in share[:3] if math.isfinite(bound)))
    bottom = _TOP + 28 * len(found)
    x = Scale(-reach, reach, _LABELS, _RIGHT)
    plot = Plot(WIDTH, bottom + 42, f"Difference of the share fooled to {tables.reference}")
    if band:
        plot.rect(x(-band), _TOP - 10, x(band) - x(-band), bottom - _TOP + 10, "region")
    plot.x_axis(
        x, bottom, ticks(-reach, reach), f"fooled more or less often than {tables.reference}, points", top=_TOP - 10
    )
    plot.line(x(0), _TOP - 10, x(0), bottom, "threshold")
    words = "  paired difference, 95 %" + ("; blue band: as far as two seeds lie apart" if band else "")
    plot.runs(2, 14, [(short_name(setting), f"label {colour_of(setting)}"), (words, "title")])
    for index, (one, share) in enumerate(zip(found, shares, strict=True)):
        y = _TOP + 28 * (index + 0.5)
        plot.text(2, y + 4, shown(tables.member(one.b.name)), "value")
        _mark(plot, x, share, y, colour_of(setting))
    return plot.render()


def _names(tables: FamilyTables) -> list[str]:
    """Networks that stand together first, as in the tables."""
    return [member.name for member in sorted(tables.members, key=lambda member: bool(member.apart))]


def _mark(plot: Plot, x: Scale, found: Interval, y: float, css: str, kind: str = "") -> None:
    """A dot with its interval."""
    if not math.isfinite(found.value):
        return
    if math.isfinite(found.low) and math.isfinite(found.high):
        plot.line(x(found.low), y, x(found.high), y, f"whisker {css}")
    plot.dot(x(found.value), y, 4.2, f"mark {kind} {css}")
