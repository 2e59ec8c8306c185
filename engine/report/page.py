"""The page: numbers, sentences, charts and pictures put into the template."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from turncoat.engine.report import figures, names, strips, tables, words
from turncoat.engine.report.conventions import conventions, frames_of, provenance
from turncoat.engine.report.facts import Facts, facts_of
from turncoat.engine.report.gallery import Gallery, galleries
from turncoat.engine.report.numbers import Group, Measured, read_groups
from turncoat.engine.report.opening import key_figures, notes
from turncoat.engine.report.pictures import Sources, data_url, find_sources
from turncoat.engine.report.reference import published
from turncoat.engine.runs import Run, open_run
from turncoat.kernels.errors import ConfigError
from turncoat.kernels.files import write_text
from turncoat.training.data.pictures import MEDIAN

_TEMPLATES = Path(__file__).parent / "templates"


def write_report(
    run: str | Path | Run, *, out: str | Path | None = None, data: Any = None, weights: Any = None
) -> Path:
    """Write a run's report, one self-contained HTML file.

    Args:
        run: run folder, or an opened run.
        out: where to; default RUN/report/index.html.
        data: the run's dataset (open, or its folder), where it no longer lies where the run found it.
        weights: the run's generator (a network, or a file of weights), likewise. What is missing is left out of the
            page, and said there.

    Returns:
        The file that was written.

    Raises:
        DataError: the folder holds no run or no results yet, or another dataset or network was given.
        ConfigError: the page cannot be written.
    """
    opened = run if isinstance(run, Run) else open_run(run)
    groups = read_groups(opened)
    path = Path(out) if out is not None else opened.folder / "report" / "index.html"
    if path.is_dir():
        raise ConfigError(f"{path} is a folder, not a page; give the name of an HTML file.")
    html = render(opened, groups, find_sources(opened, data, weights))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"The folder {path.parent} cannot be created: {error.strerror}; choose another.") from error
    write_text(path, html)
    return path


def render(run: Run, groups: Sequence[Group], sources: Sources) -> str:
    """The page as HTML."""
    return template("page.html.j2", _page(run, groups, sources))


def template(name: str, page: dict[str, Any]) -> str:
    """A page of the folder templates as HTML, with style and behaviour in it; `page` is what the template calls so."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, behaviour = (
        Markup((_TEMPLATES / file).read_text(encoding="utf-8")) for file in ("style.css", "behaviour.js")
    )
    return environment.get_template(name).render(page=page, style=style, behaviour=behaviour) + "\n"


def _page(run: Run, groups: Sequence[Group], sources: Sources) -> dict[str, Any]:
    known = facts_of(run)
    parts = [_group(run, group, sources, known) for group in groups]
    shown = [gallery for part in parts for gallery in part["galleries"]]
    return {
        "title": f"{known.network}: attack report",
        "eyebrow": f"attack on {known.network} · {known.dataset} · {parts[0]['eyebrow']}",
        "headline": parts[0]["headline"],
        "by_codes": bool(groups[0].appearance or groups[0].aimed),
        "labelled": known.labelled,
        "background": _background(run, sources),
        "notes": notes(run, [sources.missing, *(part["missing"] for part in parts)], groups),
        "hero": _hero(shown),
        "key_figures": key_figures(groups[0], known),
        "groups": parts,
        "threshold": f"{known.threshold:.0f}",
        "has_pictures": any(example.pictures for gallery in shown for example in gallery.examples),
        "conventions": conventions(run, known, groups),
        "provenance": provenance(run, groups),
        "run_json": json.dumps(run.info, indent=2, ensure_ascii=False),
    }


def _background(run: Run, sources: Sources) -> str | None:
    """The median of own pictures as a data URL, for a reader to look at; None for any other background."""
    kind = (run.info["dataset"].get("background") or {}).get("kind")
    if kind != MEDIAN or sources.dataset is None:
        return None
    return data_url(np.moveaxis(sources.dataset.backgrounds[0], 0, -1))


def _hero(shown: Sequence[Gallery]) -> dict[str, Any] | None:
    """The median example of the first attack."""
    for gallery in shown:
        median = [example for example in gallery.examples if example.rank == "median"]
        return {"name": gallery.name, "example": (median or list(gallery.examples))[0]}
    return None


def _group(run: Run, group: Group, sources: Sources, known: Facts) -> dict[str, Any]:
    curves = [
        figures.error_over_iterations(attack, known.threshold, known.limits[attack.key]) for attack in group.attacks
    ]
    breakdowns = {
        "Action by action": tables.breakdown(group, "action"),
        "Subject by subject": tables.breakdown(group, "subject"),
    }
    shown, missing = galleries(run, group, sources)
    return {
        "id": group.name or "all",
        "name": group.name or "all",
        "eyebrow": _frames(group, known),
        "headline": words.headline(group, known.network),
        "table_1": tables.table_1(group, known.method),
        "initial": words.initial_sentence(group.appearance[0]) if group.appearance else "",
        "reference": published(known.method).network if group.get("paper") else "",
        "outcomes": [{**_named(attack), "words": words.outcome_sentence(attack)} for attack in group.attacks],
        "codes": words.codes_sentences(group, known.radius),
        "code_strips": strips.code_strips(group, known.radius),
        "beside": _beside(group.appearance, known),
        "colours": words.colour_sentences(group),
        "colours_beside": _beside(group.colours, known),
        "aimed": tables.goal_table(group, known.reach),
        "pixels_beside": _beside(group.pixels, known),
        "kinds": words.kinds_sentence(group),
        "kinds_chart": figures.kinds_of_error(group.attacks),
        "kinds_table": tables.kinds_table(group, known.method),
        "iterations": words.iteration_sentences(group, known.limits),
        "fooled_chart": figures.share_fooled(group.attacks, known.limits),
        "curves": [drawing for drawing in curves if drawing],
        "galleries": shown,
        "missing": missing,
        "breakdowns": [{"title": title, "table": table} for title, table in breakdowns.items() if table],
    }


def _named(attack: Measured) -> dict[str, Any]:
    return {"name": names.short_name(attack.key), "css": names.colour_of(attack.key)}


def _beside(attacks: Sequence[Measured], known: Facts) -> list[dict[str, Any]]:
    drawn = strips.control_strips(attacks, known.threshold)
    return [
        {**_named(attack), "strips": drawn[attack.key], "words": names.explained(attack)}
        for attack in attacks
        if attack.key in drawn
    ]


def _frames(group: Group, known: Facts) -> str:
    """'100 held-out everyday frames from 38 sequences of 12 recordings'"""
    return frames_of(group, *[part for part in (known.split, group.name) if part])
