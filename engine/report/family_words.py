"""What the tables' page says in words."""

import math

from turncoat.engine.analysis.paper_values import AVERAGE, SUBJECTS, TABLE_1, row_mean
from turncoat.engine.analysis.rows import CONTROLS, ErrorRow
from turncoat.engine.analysis.tables import FamilyTables
from turncoat.engine.report.names import SPACE, counted, interval, listed, number, percent
from turncoat.engine.report.numbers import Rate
from turncoat.engine.report.opening import Key

_ENOUGH = 400
_HOW = {
    "paper": "unbounded",
    "free": "unbounded in whitened coordinates",
    "natural": f"with codes no further out than those of 99{SPACE}% of real pictures",
}


def lede(tables: FamilyTables) -> str:
    """What was attacked, on which frames."""
    parts = []
    for group, (frames, sequences, recordings) in tables.frames.items():
        text = f"{frames:,} {tables.selection.get('split', '')} {group} frames from {counted(sequences, 'sequence')}"
        parts.append(text + (f" of {counted(recordings, 'recording')}" if recordings else ""))
    data = tables.dataset
    kind = ", ".join(str(data[name]) for name in ("recipe", "preset") if data.get(name))
    return f"{counted(len(tables.members), 'network')} · {data.get('name')} ({kind}) · {'; '.join(parts)}"


def headline(tables: FamilyTables) -> str:
    """The result in a sentence or two, of the first group and the networks that stand together."""
    group = tables.groups[0]
    said: list[str] = []
    for setting in tables.settings:
        rows = _together(tables, setting, group)
        if not rows:
            continue
        how, of = _HOW.get(setting, f"with the setting {setting}"), _range([row.success.value for row in rows])
        start = f"{how[0].upper()}{how[1:]}, the attack fools {_who(rows)}"
        said.append(f"{how}, on {of}" if said else f"{start} on {of} of frames")
    return "; ".join(said) + "." if said else "No frame could be attacked."


def key_figures(tables: FamilyTables) -> list[Key]:
    """The numbers that the tables are about, each with its null or the paper's."""
    group, last = tables.groups[0], tables.settings[-1]
    first = _together(tables, tables.settings[0], group)
    keys = [_initial(first)] if first else []
    keys += [_success(rows, setting) for setting in tables.settings if (rows := _together(tables, setting, group))]
    for spread in tables.spreads[:1]:
        found = spread.get(last, group, "success")
        if found is not None:
            words = f"two seeds of {spread.method} lie apart at most, in frames fooled, setting {last}"
            beside = f"{len(spread.members)} networks that differ in their seed alone: smaller differences say nothing."
            keys.append(Key(f"±{100 * found.largest:.0f}", "points", "", words, beside))
    return keys


def _initial(rows: list[ErrorRow]) -> Key:
    theirs = ", ".join(f"{name} {row_mean(name)[0]:.1f}" for name in TABLE_1 if name != AVERAGE)
    words = "initial error: moved by the synthesis alone, before any attack, mean over subjects"
    return Key(
        _extremes([row.initial_mm.value for row in rows]), "mm", "", words, f"The paper's: {theirs}, other data."
    )


def _success(rows: list[ErrorRow], setting: str) -> Key:
    of = f"(95{SPACE}%: {_interval(rows[0])})" if len(rows) == 1 else f"({len(rows)} networks)"
    words = f"of frames fooled, setting {setting} {of}"
    return Key(_extremes([100 * row.success.value for row in rows]), "%", setting, words, _nulls(rows))


def notes(tables: FamilyTables) -> list[str]:
    """What a reader has to know before trusting the page."""
    said = []
    few = {group: frames for group, (frames, _, _) in tables.frames.items() if frames < _ENOUGH}
    for group, frames in few.items():
        said.append(f"Only {frames:,} {group} frames were attacked; tables are meant to be of {_ENOUGH} or more.")
    if tables.failed:
        lost = counted(tables.failed, "sample")
        said.append(f"{lost} came to no result (unreadable input, not finite) and were left out.")
    return said + [spread.warning for spread in tables.spreads if spread.warning]


def group_words(tables: FamilyTables, group: str) -> list[str]:
    """Sentences above Table 1: who was left out, and what stands between the settings."""
    rows = [row for setting in tables.settings for row in tables.errors(setting, group)]
    before = {row.network: row.past_before for row in rows if row.past_before}
    text = "No frame of any network was past the threshold before the attack."
    if before:
        counts = ", ".join(f"{name} {count}" for name, count in before.items())
        text = f"Frames past the threshold before the attack, left out of that network's means and shares: {counts}."
    ours = counted(len(tables.subjects), "subject")
    return [text, f"Subjects are {ours} of our data; the paper's {', '.join(SUBJECTS)} are other people, of Human3.6M."]


def _together(tables: FamilyTables, setting: str, group: str) -> list[ErrorRow]:
    """The networks that stand together, or all where none does, as far as anything was attacked."""
    rows = [row for row in tables.errors(setting, group) if row.attacked]
    return [row for row in rows if not tables.member(row.network).apart] or rows


def _who(rows: list[ErrorRow]) -> str:
    names = [row.network for row in rows]
    return listed(names) if len(names) < 5 else f"all {len(names)} networks"


def _range(shares: list[float]) -> str:
    low, high = percent(min(shares)), percent(max(shares))
    return low if low == high else f"{low.removesuffix(f'{SPACE}%')} to {high}"


def _extremes(values: list[float]) -> str:
    """31, or 27–44, of the values that are there."""
    known = [value for value in values if math.isfinite(value)]
    low, high = (number(end) for end in (min(known), max(known))) if known else ("–", "–")
    return low if low == high else f"{low}–{high}"


def _interval(row: ErrorRow) -> str:
    return interval(Rate(round(row.success.value * row.attacked), row.attacked, *row.success))


def _nulls(rows: list[ErrorRow]) -> str:
    """The controls' shares and errors, over the networks."""
    said = []
    for name in CONTROLS:
        found = [row.beside[name] for row in rows if name in row.beside]
        if found:
            moved = _extremes([one.error_mm.value for one in found])
            said.append(f"{name} {_range([one.success.value for one in found])}, {moved}{SPACE}mm")
    return f"Controls: {'; '.join(said)}." if said else "No control was run."
