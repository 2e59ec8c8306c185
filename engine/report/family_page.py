"""What `turncoat tables` writes: one HTML page, one Markdown file, and the same tables for a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.table import Table as RichTable

from turncoat.engine.analysis import paper_values
from turncoat.engine.analysis.tables import FamilyTables
from turncoat.engine.report import family_charts
from turncoat.engine.report.cells import Row, Table, Titled, plain
from turncoat.engine.report.differences import differences_table, seeds_table, table_4
from turncoat.engine.report.family import (
    controls_table,
    errors_table,
    marks,
    pictures_table,
    printed_table,
    shown,
    subjects_table,
)
from turncoat.engine.report.family_words import group_words, headline, key_figures, lede, notes
from turncoat.engine.report.names import moved_by
from turncoat.engine.report.page import template
from turncoat.engine.report.plain import markdown, rich_table
from turncoat.engine.runs import Run
from turncoat.kernels.files import write_json, write_text

FILES = ("tables.html", "tables.md", "tables.json")


def write_tables(tables: FamilyTables, runs: Sequence[Run], out: str | Path) -> tuple[Path, Path, Path]:
    """Write the page, the Markdown and the JSON of `tables` into the folder `out`; returns their paths.

    Args:
        tables: what `make_tables` found.
        runs: that it was found in, for hashes, versions and the command.

    Raises:
        ConfigError: the folder cannot be written.
    """
    from turncoat.engine.cli.output import plain as json_values

    page, text, document = (Path(out) / name for name in FILES)
    write_text(page, render(tables, runs))
    write_text(text, as_markdown(tables, runs))
    write_json(document, json_values(tables.facts()))
    return page, text, document


def render(tables: FamilyTables, runs: Sequence[Run]) -> str:
    """The page as HTML."""
    groups = [
        {
            "id": group,
            "name": group,
            "words": group_words(tables, group),
            "charts": [family_charts.errors_chart(tables, group), family_charts.fooled_chart(tables, group)],
            "table_1": _there(errors_table(tables, setting, group) for setting in tables.settings),
            "subjects": _there(subjects_table(tables, setting, group) for setting in tables.settings),
            "controls": [controls_table(tables, group, errors=errors) for errors in (False, True)],
            "table_2": _there(pictures_table(tables, setting, group) for setting in tables.settings),
            "table_4": _there(table_4(tables, setting, group) for setting in tables.settings),
            "differences": _there(differences_table(tables, setting, group) for setting in tables.settings),
            "difference_charts": [
                family_charts.differences_chart(tables, setting, group) for setting in tables.settings
            ],
            "seeds": [seeds_table(spread, setting, group) for spread in tables.spreads for setting in tables.settings],
        }
        for group in tables.groups
    ]
    page = {
        "title": "Tables 1, 2 and 4: attack by appearance",
        "eyebrow": lede(tables),
        "headline": headline(tables),
        "notes": notes(tables),
        "keys": key_figures(tables),
        "threshold": f"{tables.threshold_mm:.0f}",
        "groups": groups,
        "marks": marks(tables),
        "table_4_missing": tables.table_4_missing,
        "printed": printed_table(),
        "paper_notes": paper_values.NOTES[2:],
        "networks": networks_table(tables, runs),
        "provenance": _provenance(runs),
    }
    return template("tables.html.j2", page)


def as_markdown(tables: FamilyTables, runs: Sequence[Run]) -> str:
    """The tables as Markdown."""
    parts = [f"# Tables 1, 2 and 4\n\n{headline(tables)}\n\n{lede(tables)}.\n"]
    parts += [f"> {note}\n" for note in notes(tables)]
    if marks(tables):
        parts.append("\n".join(f"- † {name}: {words}" for name, words in marks(tables)) + "\n")
    for group in tables.groups:
        if len(tables.groups) > 1:
            parts.append(f"## {group} actions\n")
        parts += [markdown(one) for one in all_tables(tables, group)]
    if tables.table_4_missing:
        parts.append(f"{tables.table_4_missing}\n")
    parts.append(markdown(printed_table()))
    parts.append("\n".join(f"- {note}" for note in paper_values.NOTES[2:]) + "\n")
    parts.append(markdown(networks_table(tables, runs)))
    parts.append("\n".join(f"- {term}: {fact}" for term, fact in _provenance(runs)) + "\n")
    return "\n".join(parts)


def terminal(tables: FamilyTables) -> list[RichTable]:
    """The tables for a terminal; those by subject and the errors of controls are in the files alone."""
    found = []
    for group in tables.groups:
        shown_here = [
            one
            for one in all_tables(tables, group)
            if not one.title.startswith(("Table 1 by subject", "Beside controls: mean"))
        ]
        for one in shown_here:
            title = f"{one.title}, {group}" if len(tables.groups) > 1 else one.title
            found.append(rich_table(Titled(title, one.table)))
    return found


def networks_table(tables: FamilyTables, runs: Sequence[Run]) -> Titled:
    """What was attacked: method, images, weights, run folder, and how long it took."""
    by_folder = {str(run.folder): run for run in runs}
    columns = ("network", "method", "images", "trained on", "weights", "run", "seconds")
    rows = []
    for member in (*tables.members, *(member for spread in tables.spreads for member in spread.members)):
        run = by_folder.get(member.folder)
        images = f"{member.images:,}" if member.images else "–"
        cells = (member.method or "–", images, member.recipe or "–", str(member.weights_hash or "–")[:12],
                 Path(member.folder).name, f"{run.info['wall_s']:.0f}" if run is not None else "–")  # fmt: skip
        rows.append(Row(shown(member), tuple(plain(cell) for cell in cells), "apart" if member.apart else ""))
    return Titled("The networks", Table((), columns, tuple(rows)), "Weights: the first digits of the file's SHA-256.")


def all_tables(tables: FamilyTables, group: str) -> list[Titled]:
    """Every table of a group, in the order of the page."""
    found = _there(errors_table(tables, setting, group) for setting in tables.settings)
    found += _there(subjects_table(tables, setting, group) for setting in tables.settings)
    found += [controls_table(tables, group, errors=errors) for errors in (False, True)]
    found += _there(pictures_table(tables, setting, group) for setting in tables.settings)
    found += _there(table_4(tables, setting, group) for setting in tables.settings)
    found += _there(differences_table(tables, setting, group) for setting in tables.settings)
    return found + [seeds_table(spread, setting, group) for spread in tables.spreads for setting in tables.settings]


def _there(found: Iterable[Titled | None]) -> list[Titled]:
    """The tables that are there; a caption that the next one repeats stands below that one alone."""
    there = [one for one in found if one is not None]
    following = [one.caption for one in there[1:]] + [""] * bool(there)
    return [replace(one, caption="") if one.caption == after else one
            for one, after in zip(there, following, strict=True)]  # fmt: skip


def _provenance(runs: Sequence[Run]) -> list[tuple[str, str]]:
    info: Mapping[str, Any] = runs[0].info
    data, selection, settings = info["dataset"], info.get("selection") or {}, info["settings"]
    frames = ", ".join(
        f"{name} {selection[name]}"
        for name in ("split", "frames", "per_subject", "at_most", "minimum_gap_s")
        if name in selection
    )
    rows = [
        ("Command", info.get("command")),
        ("Dataset", f"{data.get('name')}, {data.get('recipe')}, {data.get('preset')}, {data.get('frame_size')} pixels, "
                    f"fingerprint {data.get('fingerprint')}"),
        ("Frames", frames),
        ("Attack", f"{moved_by(info)}, {settings.get('objective')} objective, at most {settings.get('iterations')} "
                   f"iterations, threshold {settings.get('threshold_mm'):g} mm, seed {settings.get('seed')}"),
        ("Backend", ", ".join(sorted({str(run.info.get("backend")) for run in runs}))),
        ("Machine", ", ".join(f"{name} {fact}" for name, fact in (info.get("machine") or {}).items())),
        ("Versions", ", ".join(f"{name} {fact}" for name, fact in (info.get("versions") or {}).items())),
    ]  # fmt: skip
    return [(term, str(fact)) for term, fact in rows if fact not in (None, "", "None")]
