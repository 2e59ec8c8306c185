"""What `turncoat analyze`, `paper` and `card` share: analyses with a bar, their tables on the terminal, provenance."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from turncoat.engine.analysis.analyse import analyse
from turncoat.engine.analysis.apart import analyse_apart
from turncoat.engine.analysis.catalogue import Analysis, Case, LeftOut
from turncoat.engine.cli.output import Output
from turncoat.engine.report.analyses_page import Section
from turncoat.engine.report.palette import announce
from turncoat.engine.report.plain import rich_table
from turncoat.engine.runs.provenance import machine, versions
from turncoat.training.data import Dataset


def looked_at(
    analyses: Sequence[Analysis], cases: Sequence[Case], figures: Path, output: Output, workers: int = 1
) -> list[Section]:
    """Run the analyses with a bar each (in several processes with one for all), show tables, draw figures."""
    sections = {one.key: Section(one) for one in analyses}
    announce(case.name for case in cases)

    def keep(analysis: Analysis, case: Case, result: Any) -> None:
        sections[analysis.key].add(case.name, result)
        if isinstance(result, LeftOut):
            output.show(f"{case.name}: {analysis.title} is left out. {result.why}")

    with ExitStack() as bars:

        def progress(network: str, title: str) -> Callable[..., None]:
            bars.close()
            shown: list[Callable[..., None]] = []

            def advance(done: int, total: int, **facts: Any) -> None:
                if not shown:
                    shown.append(bars.enter_context(output.progress(f"{network}: {title}", "steps")))
                shown[0](done, total, **{name: fact for name, fact in facts.items() if isinstance(fact, float)})

            return advance

        def found(analysis: Analysis, case: Case, result: Any) -> None:
            bars.close()
            keep(analysis, case, result)

        if workers > 1 and len(cases) > 1:
            with output.progress("analysing", "analyses") as advance:
                analyse_apart(analyses, cases, workers, advance, keep)
        else:
            analyse(analyses, cases, progress, found)
    for section in sections.values():
        section.draw(figures)
        table = section.narrow()
        if table is not None:
            output.show(rich_table(table))
    return list(sections.values())


def provenance(data: Dataset, cases: Sequence[Case], command: str) -> list[tuple[str, str]]:
    """Where the numbers come from."""
    crossed = next((case.crossed for case in cases if case.crossed is not None), None)
    weights = {case.name: getattr(case.network, "weights_hash", None) for case in cases}
    rows = [
        ("Command", command),
        ("Dataset", _described(data)),
        ("Crossed set", _described(crossed) if crossed is not None else ""),
        ("Weights", ", ".join(f"{name} {str(known)[:12]}" for name, known in weights.items() if known)),
        ("Machine", ", ".join(f"{name} {fact}" for name, fact in machine(cases[0].device).items())),
        ("Versions", ", ".join(f"{name} {fact}" for name, fact in versions().items())),
    ]
    return [(term, words) for term, words in rows if words]


def _described(data: Dataset) -> str:
    known = [str(data.info[name]) for name in ("name", "recipe", "preset") if data.info.get(name)]
    return f"{', '.join(known)}, {len(data):,} frames of {data.size} pixels, fingerprint {data.info.get('fingerprint')}"
