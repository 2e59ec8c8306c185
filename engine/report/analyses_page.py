"""Analyses of one or several networks as one page, Markdown and a document; figures beside them, and in the page."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from turncoat.engine.analysis.catalogue import Analysis, LeftOut, Result
from turncoat.engine.analysis.number import Number
from turncoat.engine.report.cells import Titled
from turncoat.engine.report.number_tables import all_numbers, beside_table, by_number
from turncoat.engine.report.page import template
from turncoat.engine.report.plain import markdown
from turncoat.kernels.errors import TurncoatError
from turncoat.kernels.files import write_json, write_text

FILES = ("analyses.html", "analyses.md", "analyses.json")
_MOST = 6
"""Numbers of an analysis side by side, where it does not say which; the rest stand below."""


@dataclass
class Section:
    """What one analysis found.

    Attributes:
        analysis: which. results, numbers: by network, in order. left_out: networks that it could not be done with.
        figures: files, in the order of the page; of each figure the PNG comes first.
    """

    analysis: Analysis
    results: dict[str, Result] = field(default_factory=dict)
    numbers: dict[str, list[Number]] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    figures: list[Path] = field(default_factory=list)

    def add(self, network: str, found: Result | LeftOut) -> None:
        """Take in what came of one network."""
        if isinstance(found, LeftOut):
            self.left_out.append(found)
        else:
            self.results[network], self.numbers[network] = found, found.numbers()
            self.left_out += [LeftOut(self.analysis.key, network, why) for why in getattr(found, "left_out", ())]

    def draw(self, folder: Path) -> None:
        """Draw its figures into `folder`; one that cannot be drawn is left out with the reason."""
        if self.results:
            try:
                self.figures = self.analysis.draw(list(self.results.values()), folder)
            except TurncoatError as error:
                self.left_out.append(LeftOut(self.analysis.key, ", ".join(self.results), f"No figure: {error}"))

    @property
    def headline(self) -> Sequence[str]:
        """Keys of the numbers that stand for it."""
        first = next(iter(self.numbers.values()), [])
        return self.analysis.headline or [one.key for one in first[:_MOST]]

    def table(self) -> Titled | None:
        """Those numbers, a line a network; None where nothing was found."""
        return beside_table("", self.numbers, self.headline) if self.results else None

    def narrow(self) -> Titled | None:
        """The same, a line a number, for terminals."""
        return by_number(self.analysis.title, self.numbers, self.headline) if self.results else None

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "title": self.analysis.title,
            "question": self.analysis.question,
            "paper": self.analysis.paper,
            "networks": {
                name: {"numbers": {one.key: one.facts() for one in self.numbers[name]}, "found": found.facts()}
                for name, found in self.results.items()
            },
            "left_out": [one.facts() for one in self.left_out],
            "figures": [file.name for file in self.figures],
        }


def write_analyses(
    sections: Sequence[Section],
    out: Path,
    *,
    title: str,
    lede: str,
    provenance: Sequence[tuple[str, str]],
    before: Mapping[str, Sequence[Titled]] | None = None,
) -> list[Path]:
    """Write page, Markdown and document into the folder `out`; returns their paths.

    Args:
        sections: with their figures drawn.
        title, lede: of the page.
        provenance: term and words.
        before: tables that come before the analyses, by heading.

    Raises:
        ConfigError: the folder cannot be written.
    """
    from turncoat.engine.cli.output import plain as json_values

    page, text, document = (out / name for name in FILES)
    write_json(document, json_values({"kind": "analyses", "title": title, **analyses_document(sections)}))
    write_text(text, as_markdown(sections, out, title=title, lede=lede, provenance=provenance, before=before or {}))
    write_text(page, render(sections, out, title=title, lede=lede, provenance=provenance, before=before or {}))
    return [page, text, document]


def analyses_document(sections: Sequence[Section]) -> dict[str, Any]:
    """Everything as plain values."""
    return {"analyses": {section.analysis.key: section.facts() for section in sections}}


def render(
    sections: Sequence[Section],
    out: Path,
    *,
    title: str,
    lede: str,
    provenance: Sequence[tuple[str, str]],
    before: Mapping[str, Sequence[Titled]],
) -> str:
    """The page as HTML, self-contained."""
    parts = []
    for section in sections:
        analysis = section.analysis
        parts.append(
            {
                "key": analysis.key,
                "title": analysis.title,
                "question": analysis.question,
                "paper": analysis.paper,
                "table": section.table(),
                "pictures": [_picture(file, analysis, section.figures, out) for file in _shown(section.figures)],
                "all": [all_numbers(name, found) for name, found in section.numbers.items()],
                "left_out": [f"{one.network}: {one.why}" for one in section.left_out],
            }
        )
    page = {
        "title": title,
        "lede": lede,
        "before": [{"title": heading, "tables": list(tables)} for heading, tables in before.items()],
        "parts": parts,
        "provenance": list(provenance),
    }
    return template("analyses.html.j2", page)


def as_markdown(
    sections: Sequence[Section],
    out: Path,
    *,
    title: str,
    lede: str,
    provenance: Sequence[tuple[str, str]],
    before: Mapping[str, Sequence[Titled]],
) -> str:
    """The page as Markdown, figures linked."""
    parts = [f"# {title}\n\n{lede}\n"]
    for heading, tables in before.items():
        parts.append(f"## {heading}\n")
        parts += [markdown(one) for one in tables]
    for section in sections:
        analysis = section.analysis
        paper = f" ({analysis.paper})" if analysis.paper else ""
        parts.append(f"## {analysis.title}{paper}\n\n{analysis.question}\n")
        table = section.table()
        if table is not None:
            parts.append(markdown(table).partition("\n\n")[2])
        parts += [f"![{analysis.title}]({_beside(file, out)})\n" for file in _shown(section.figures)]
        parts += [f"> Left out: {one.network}: {one.why}\n" for one in section.left_out]
    parts.append("\n".join(f"- {term}: {words}" for term, words in provenance) + "\n")
    return "\n".join(parts)


def _shown(figures: Sequence[Path]) -> list[Path]:
    return [file for file in figures if file.suffix == ".png"]


def _picture(file: Path, analysis: Analysis, figures: Sequence[Path], out: Path) -> dict[str, Any]:
    """A PNG inline, and links to the same figure in other types."""
    url = f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"
    others = [one for one in figures if one.stem == file.stem and one != file]
    words = file.stem.replace("_", " ").replace("-", " ")
    return {
        "url": url,
        "alt": f"{analysis.title}: {words}",
        "links": [(one.suffix[1:].upper(), _beside(one, out)) for one in others],
    }


def _beside(file: Path, out: Path) -> str:
    """The file's place as seen from the page."""
    try:
        return file.resolve().relative_to(out.resolve()).as_posix()
    except ValueError:
        return file.as_posix()
