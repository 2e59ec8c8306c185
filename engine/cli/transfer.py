"""`turncoat attack --generators A,B --targets A,B`: every pair of networks, and who is fooled by attacks on others."""

import shlex
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from turncoat.engine.analysis.transfer import SELECTION, SETTINGS, Transfer, transfer_matrix
from turncoat.engine.attack import AttackSettings
from turncoat.engine.cli.output import Output
from turncoat.engine.report.transfer_page import terminal, write_transfer
from turncoat.engine.report.transfer_words import headline, notes
from turncoat.engine.runs import Run
from turncoat.engine.sweep import Selection
from turncoat.kernels.errors import ConfigError


def attack_matrix(
    generators: str | None,
    targets: str | None,
    dataset: Path,
    out: Path,
    settings: AttackSettings,
    selection: Selection,
    output: Output,
    *,
    groups_given: bool,
    resume: bool,
) -> Transfer:
    """Attack, measure, write and show; the document of --json is printed too.

    Args:
        generators, targets: names with commas between; None: the same as the other.
        settings, selection: as the options say. Attacks that nobody named become `natural`, groups `everyday`.

    Raises:
        ConfigError, DataError: as `transfer_matrix`; an empty name in a list.
    """
    painting, attacked = (_names(option, given or other) for option, given, other in
                          (("--generators", generators, targets), ("--targets", targets, generators)))  # fmt: skip
    if "attacks" not in settings.model_fields_set:
        settings = settings.model_copy(update={"attacks": SETTINGS.attacks})
    if not groups_given:
        selection = replace(selection, groups=SELECTION.groups)

    def notify(generator: str, target: str, run: Run, there: bool) -> None:
        state = "there already" if there else f"{run.info['wall_s']:.0f} s"
        output.show(f"{target} painted by {generator}: {run.info['selection']['frames']} frames ({state})")

    with ExitStack() as stack:
        found = transfer_matrix(
            painting,
            attacked,
            dataset,
            out,
            settings,
            selection,
            resume=resume,
            progress=_bar(stack, output, "attacking", "samples"),
            notify=notify,
            looking=_bar(stack, output, "showing", "attacks"),
            command=shlex.join(["turncoat", *sys.argv[1:]]),
        )
    files = write_transfer(found, out)
    output.show(*terminal(found), headline(found), *(f"- {note}" for note in notes(found)))
    output.show(f"Written: {', '.join(map(str, files))}")
    document: dict[str, Any] = {"files": [str(file) for file in files], "headline": headline(found), **found.facts()}
    output.finish(document)
    return found


def _bar(stack: ExitStack, output: Output, description: str, unit: str) -> Callable[..., None]:
    """A bar that appears with its first call, in place of the one before."""
    shown: list[Callable[..., None]] = []

    def advance(done: int, total: int, **facts: Any) -> None:
        if not shown:
            stack.close()
            shown.append(stack.enter_context(output.progress(description, unit)))
        shown[0](done, total, **facts)

    return advance


def _names(option: str, given: str | None) -> list[str]:
    names = [name.strip() for name in (given or "").split(",")]
    if not all(names):
        raise ConfigError(f"{option} is {given!r}; expected names or files of weights with commas between, like A,B,C.")
    return names
