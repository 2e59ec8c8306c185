"""What `turncoat soundness` writes: soundness.md, soundness.json and soundness.png, and the same for a terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from turncoat.engine.analysis.soundness import Soundness
from turncoat.engine.analysis.soundness.measured import Against, Measured
from turncoat.engine.report.cells import (
    INTERVALS,
    NONE,
    Cell,
    Row,
    Table,
    Titled,
    difference,
    plain,
    share,
    value,
)
from turncoat.engine.report.names import counted, percent
from turncoat.engine.report.plain import markdown, rich_table
from turncoat.engine.report.soundness_plot import draw
from turncoat.engine.report.soundness_words import advice, evidence, verdict
from turncoat.kernels.files import atomic_path, write_json, write_text

FILES = ("soundness.md", "soundness.json", "soundness.png")
_COLUMNS = ("", "step", "fooled", "Δ fooled, points", "only attack, only this", "reached, mm", "Δ reached, mm",
            "steps when fooled", "against the attack", "minutes")  # fmt: skip
_SHOWN = (1, 2, 4, 5, 7)  # of the cells, at a terminal, where not all columns have room


def write_soundness(found: Soundness, out: str | Path) -> list[Path]:
    """Write page, numbers and picture into the folder `out`; returns their paths.

    Raises:
        ConfigError: the folder cannot be written.
    """
    from turncoat.engine.cli.output import plain as json_values

    text, document, picture = (Path(out) / name for name in FILES)
    with atomic_path(picture) as temporary:
        draw(found, temporary)
    write_text(text, as_markdown(found, picture.name))
    write_json(document, json_values(facts(found)))
    return [text, document, picture]


def facts(found: Soundness) -> dict[str, Any]:
    """All numbers, and the verdict in words."""
    return {"verdict": verdict(found), "evidence": evidence(found), "advice": advice(found), **found.facts()}


def terminal(found: Soundness) -> list[RenderableType]:
    """For a person at a terminal."""
    first, *others = _tables(found)
    said: list[RenderableType] = [rich_table(table) for table in (_narrow(first), *others)]
    said.append(Text(verdict(found), style="bold green" if found.sound else "bold red"))
    said += [Padding(Text(f"- {sentence}"), (0, 0, 0, 2)) for sentence in evidence(found)]
    hint = advice(found)
    return [*said, Text(hint)] if hint else said


def as_markdown(found: Soundness, picture: str) -> str:
    """The page."""
    run = found.runs[0][1]
    hint = advice(found)
    frames = found.attack.frames + found.attack.past_before + found.attack.failed
    lines = [
        f"# Is the attack on {run.info['generator']['name']} sound? Setting `{found.settings.setting}`",
        f"**{verdict(found)}**",
        "\n".join(f"- {sentence}" for sentence in evidence(found)),
        *([f"*{hint}*"] if hint else []),
        f"![Success and error over iterations, step size and budget]({picture})",
        *(markdown(table, level=2).rstrip() for table in _tables(found)),
        f"{counted(frames, 'frame')} of {run.info['dataset'].get('name')} ({run.info['dataset'].get('recipe')}), split "
        f"{found.settings.split}, {found.settings.group}, from {_sources(found)}; the same for every row. "
        f"{found.attack.past_before} past the threshold before the attack, {found.attack.failed} failed. {INTERVALS} "
        "Differences are paired by sample.",
        f"    {run.info['command']}" if run.info.get("command") else "",
    ]
    return "\n\n".join(line for line in lines if line) + "\n"


def _tables(found: Soundness) -> list[Titled]:
    tables = [_variants(found), _signs(found)]
    return [*tables, _slopes(found)] if found.slopes else tables


def _narrow(titled: Titled) -> Titled:
    """The table of variants without the columns that are for a page alone."""
    columns = tuple(titled.table.columns[place + 1] for place in _SHOWN)
    rows = tuple(Row(row.name, tuple(row.cells[place] for place in _SHOWN), row.css) for row in titled.table.rows)
    return Titled(titled.title, Table((), ("", *columns), rows), titled.caption)


def _variants(found: Soundness) -> Titled:
    step, fooled, reached, steps, minutes = _own(found.attack)
    cells = (step, fooled, NONE, NONE, reached, NONE, steps, plain(""), minutes)
    rows = [Row(found.attack.variant.words, cells, "total")]
    contenders = found.contenders
    rows += [_row(one, contender=True) for one in contenders]
    rows += [_row(one, contender=False) for one in found.compared if one not in contenders]
    caption = (
        "Reached: verified error of the last frame, none counting for more than the threshold. Δ: minus the attack, "
        "paired by frame. Only: frames fooled by one of the two alone. Stronger, weaker: the interval of Δ leaves zero "
        "out (and for errors Δ is 5 mm or more). Of so many comparisons at 95 % one in forty looks stronger by chance."
    )
    return Titled("Every way to attack", Table((), _COLUMNS, tuple(rows)), caption)


def _own(one: Measured) -> list[Cell]:
    steps = f"{one.steps[1]:.0f}" if one.steps else "–"
    spread = f"{one.steps[0]:.0f}–{one.steps[2]:.0f}" if one.steps else ""
    return [plain(f"{one.step_size:.3g}"), share(one.fooled), value(one.reached_mm, 0), Cell(steps, spread),
            plain(f"{one.seconds / 60:.1f}")]  # fmt: skip


def _row(one: Against, *, contender: bool) -> Row:
    step, fooled, reached, steps, minutes = _own(one.measured)
    same_threshold = one.measured.variant.role != "easier"
    cells = (
        step,
        fooled,
        difference(one.fooled.scaled(100), 0) if same_threshold else NONE,
        plain(f"{one.only_attack}, {one.only_variant}") if same_threshold else NONE,
        reached,
        difference(one.reached_mm, 0) if same_threshold else NONE,
        steps,
        plain(_mark(one) if contender else "control"),
        minutes,
    )
    return Row(one.measured.variant.words, cells, "" if contender else "apart")


def _mark(one: Against) -> str:
    return "stronger" if one.stronger else "weaker" if one.weaker else "no difference"


def _signs(found: Soundness) -> Titled:
    rows = tuple(Row(sign.words, (plain(sign.found), plain("yes" if sign.bad else "no"))) for sign in found.signs)
    return Titled("Signs of a gradient that hides something", Table((), ("sign", "found", "there"), rows))


def _slopes(found: Soundness) -> Titled:
    rows = tuple(
        Row(
            f"{slope.iterate}",
            (
                plain(f"{slope.frames}"),
                Cell(f"{100 * slope.relative_error:.2f} %", f"{100 * slope.relative_error_p90:.2f} %"),
                Cell(f"{100 * slope.relative_error_step:.2f} %", f"{100 * slope.relative_error_step_p90:.2f} %"),
                Cell(f"{slope.cosine:.3f}", f"{slope.cosine_p10:.3f}"),
                plain(f"{slope.step_cosine:.2f}"),
                plain(f"{slope.rise_mm:+.1f}".replace("-", "−")),
                plain(percent(slope.rising)),
            ),
        )
        for slope in found.slopes
    )
    columns = ("iterate", "frames", "error along it", "error along the step", "cosine, steps' precision",
               "cosine of the step", "a step's rise, mm", "rising")  # fmt: skip
    caption = (
        "Float32 gradient against central differences of the objective, over its length: median (90th percentile). "
        "Cosines with the float32 gradient: of the one in the steps' precision (10th percentile), and of the step made."
    )
    return Titled("The gradient against finite differences, on the attack's way", Table((), columns, rows), caption)


def _sources(found: Soundness) -> str:
    names = (("sequence", "sequence"), ("motion_id", "recording"))
    parts: Sequence[str] = [counted(found.clusters[name], words) for name, words in names if name in found.clusters]
    return " of ".join(parts)
