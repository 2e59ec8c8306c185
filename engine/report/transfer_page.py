"""What a transfer matrix leaves: a page, Markdown, numbers and a picture, and its tables for a terminal."""

import math
from pathlib import Path
from typing import Any

from rich.table import Table as RichTable

from turncoat.engine.analysis.transfer import Transfer
from turncoat.engine.report.cells import Row, Table, Titled, plain
from turncoat.engine.report.names import moved_by
from turncoat.engine.report.page import template
from turncoat.engine.report.plain import markdown, rich_table
from turncoat.engine.report.transfer_plot import draw
from turncoat.engine.report.transfer_tables import (
    Heat,
    averages_table,
    blocks,
    cells_table,
    heats,
    narrow_averages,
    top_mm,
)
from turncoat.engine.report.transfer_words import explained, headline, key_figures, lede, notes
from turncoat.kernels.files import atomic_path, write_json, write_text

FILES = ("index.html", "transfer.md", "transfer.json", "transfer.png")


def write_transfer(found: Transfer, out: str | Path) -> list[Path]:
    """Write page, Markdown, numbers and picture into the folder `out`; returns their paths.

    Raises:
        ConfigError: the folder cannot be written.
    """
    from turncoat.engine.cli.output import plain as json_values

    page, text, document, picture = (Path(out) / name for name in FILES)
    with atomic_path(picture) as temporary:
        draw(found, temporary)
    write_text(text, as_markdown(found, picture.name))
    write_json(document, json_values({"headline": headline(found), **found.facts()}))
    write_text(page, render(found))
    return [page, text, document, picture]


def render(found: Transfer) -> str:
    """The page as HTML, self-contained."""
    parts = []
    for setting, group in blocks(found):
        shown = heats(found, setting, group)
        top = top_mm(shown, found.threshold_mm)
        parts.append(
            {
                "title": f"{setting}, {group} frames",
                "heats": [_shaded(heat, top) for heat in shown],
                "top": f"{top:.0f}",
                "averages": averages_table(found, setting, group),
                "cells": cells_table(found, setting, group),
            }
        )
    page = {
        "title": "Transfer matrix: attacks by appearance",
        "eyebrow": lede(found),
        "headline": headline(found),
        "notes": notes(found),
        "keys": key_figures(found),
        "parts": parts,
        "explained": explained(found),
        "networks": networks_table(found),
        "provenance": _provenance(found),
    }
    return template("transfer.html.j2", page)


def as_markdown(found: Transfer, picture: str) -> str:
    """The matrix as Markdown."""
    parts = [f"# Transfer matrix\n\n{headline(found)}\n\n{lede(found)}.\n", f"![Heat maps]({picture})\n"]
    parts += [f"> {note}\n" for note in notes(found)]
    for setting, group in blocks(found):
        parts.append(f"## {setting}, {group} frames\n")
        parts += [markdown(heat.titled()) for heat in heats(found, setting, group)]
        parts += [markdown(averages_table(found, setting, group)), markdown(cells_table(found, setting, group))]
    parts.append("\n".join(f"- {line}" for line in explained(found)) + "\n")
    parts.append(markdown(networks_table(found)))
    parts.append("\n".join(f"- {term}: {fact}" for term, fact in _provenance(found)) + "\n")
    return "\n".join(parts)


def terminal(found: Transfer) -> list[RichTable]:
    """The heat maps and averages for a terminal; the line of every cell is in the files alone."""
    return [
        rich_table(Titled(f"{one.title} · {setting}, {group}", one.table, one.caption))
        for setting, group in blocks(found)
        for one in (*(heat.titled() for heat in heats(found, setting, group)), narrow_averages(found, setting, group))
    ]


def networks_table(found: Transfer) -> Titled:
    """Who took part, as what, with which weights."""
    rows = []
    for name, facts in found.facts_of.items():
        roles = [role for role, names in (("paints", found.generators), ("looks", found.targets)) if name in names]
        metadata = facts.get("metadata") or {}
        cells = (", ".join(roles), str(metadata.get("method") or "–"), "yes" if facts.get("given") else "no",
                 str(facts.get("weights_hash") or "–")[:12])  # fmt: skip
        rows.append(Row(name, tuple(plain(cell) for cell in cells), "apart" if facts.get("given") else ""))
    columns = ("network", "takes part", "method", "told where the person is", "weights")
    return Titled("The networks", Table((), columns, tuple(rows)), "Weights: the first digits of the file's SHA-256.")


def _shaded(heat: Heat, top: float) -> dict[str, Any]:
    """A heat map for the template: of every tile how far it is shaded, in percent."""
    rows = []
    for name, tiles in zip(heat.rows, heat.tiles, strict=True):
        shades = [100 * tile.value / top if math.isfinite(tile.value) else 0.0 for tile in tiles]
        rows.append((name, list(zip(tiles, shades, strict=True))))
    return {"title": heat.title, "down": heat.down, "across": heat.across, "columns": heat.columns, "rows": rows}


def _provenance(found: Transfer) -> list[tuple[str, str]]:
    run = next(iter(found.runs.values()))
    info = run.info
    data, selection, settings = info["dataset"], info["selection"], info["settings"]
    seconds = sum(one.info["wall_s"] for one in found.runs.values())
    rows = [
        ("Command", info.get("command")),
        ("Dataset", f"{data['name']}, {data['recipe']}, {data['preset']}, {data['frame_size']} pixels, "
                    f"fingerprint {data['fingerprint']}"),
        ("Frames", f"split {selection['split']}, {selection['frames']} of {', '.join(selection['subjects'])}"),
        ("Attack", f"{moved_by(info)}, {settings['objective']} objective, at most {settings['iterations']} iterations, "
                   f"threshold {settings['threshold_mm']:g} mm, seed {settings['seed']}"),
        ("Runs", f"{len(found.runs)}, {seconds:.0f} s, in runs/GENERATOR/TARGET"),
        ("Painted again", f"errors differ by at most {found.differs_mm:.2g} mm from those verified"),
        ("Machine", ", ".join(f"{name} {fact}" for name, fact in (info.get("machine") or {}).items())),
        ("Versions", ", ".join(f"{name} {fact}" for name, fact in (info.get("versions") or {}).items())),
    ]  # fmt: skip
    return [(term, str(fact)) for term, fact in rows if fact not in (None, "", "None")]
