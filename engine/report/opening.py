"""What a reader meets first: notes about what is missing, and the numbers that the page is about."""

from collections.abc import Sequence
from dataclasses import dataclass

from turncoat.engine.report.conventions import own_pictures
from turncoat.engine.report.facts import Facts, of_pictures
from turncoat.engine.report.names import (
    CONTROL_NAMES,
    SPACE,
    budget,
    capital,
    colour_of,
    counted,
    interval,
    mm,
    number,
    percent,
    short_name,
)
from turncoat.engine.report.numbers import Group, Measured, mean, median
from turncoat.engine.report.reference import published
from turncoat.engine.runs import Run


@dataclass(frozen=True)
class Key:
    """A large number, what it is, and what stands beside it (the null, a control, the paper)."""

    value: str
    unit: str
    css: str
    words: str
    beside: str


def notes(run: Run, missing: Sequence[str], groups: Sequence[Group]) -> list[str]:
    """What a reader has to know before trusting the page: an unfinished run, failed rows, why pictures are missing."""
    said = []
    if not run.complete:
        said.append(
            "This run has not finished: here are the rows that are there. Resume the attack, then report again."
        )
    if of_pictures(run.info):
        said.append(
            "These are own pictures, without labels. What needs truth is left out: errors against ground truth, rows "
            "by subject and action, and other people's codes as a control. All of them count as one person's, so a "
            "control of the same subject is the code of another picture, whoever that shows. They were "
            f"{own_pictures(run.info['dataset'])}"
        )
    failed = sum(group.failed for group in groups)
    if failed:
        are = "is" if failed == 1 else "are"
        said.append(
            f"{counted(failed, 'frame')} came to no result (unreadable input, or not finite) and {are} left out."
        )
    why = " ".join(dict.fromkeys(reason for reason in missing if reason))
    return [*said, f"Pictures are missing here. {why}"] if why else said


def key_figures(group: Group, known: Facts) -> list[Key]:
    """The initial error, the success of each appearance attack, and how far the first colour attack goes."""
    keys = [_initial(group.get("paper") or group.appearance[0], known)] if group.appearance else []
    keys += [_success(attack) for attack in group.appearance]
    return keys + [_colours(attack) for attack in group.colours[: max(1, 3 - len(keys))]]


def _initial(attack: Measured, known: Facts) -> Key:
    theirs = published(known.method)
    everyone = attack.initial_of_all
    beside = f"{number(median(everyone), 1)} in the median frame. "
    if attack.past_before:
        beside += f"Of the frames attacked: {mm(mean(attack.initial), 1)}. "
    beside += f"The paper's {theirs.network}: {theirs.initial_mm:.1f}, on other data."
    what = "moved by the synthesis alone, mean over all frames, before any attack"
    return Key(number(mean(everyone), 1), "mm", "", what, beside)


def _success(attack: Measured) -> Key:
    value = percent(attack.fooled.value).removesuffix(f"{SPACE}%")
    what = f"of frames fooled, setting {short_name(attack.key)} (95{SPACE}%: {interval(attack.fooled)})"
    return Key(value, "%", colour_of(attack.key), what, _controls(attack))


def _colours(attack: Measured) -> Key:
    what = f"moved on average by new colours of the clothes alone, {budget(attack.key)}"
    draws = next((control for control in attack.controls if control.key == "random colours, strongest"), None)
    beside = _controls(attack)
    if draws is not None:
        one, tries = mm(mean(draws.attacked["draws_mean_mm"])), number(median(draws.attacked["draws"]))
        beside = f"Random colours of the same budget: {one}; the strongest of {tries}: {mm(mean(draws.verified))}."
    return Key(number(mean(attack.verified)), "mm", "colours", what, beside)


def _controls(attack: Measured) -> str:
    """The controls' success rates, in a sentence."""
    said = [
        f"{CONTROL_NAMES.get(control.key, control.key)} {percent(control.fooled.value)}"
        for control in attack.controls
        if control.fooled.total
    ]
    return capital("; ".join(said)) + "." if said else "No control was run."
