"""Numbers as sentences."""

import math

import numpy as np

from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.settings import is_towards
from turncoat.engine.report.names import (
    SPACE,
    budget,
    capital,
    counted,
    distance,
    interval,
    listed,
    mm,
    number,
    percent,
    short_name,
)
from turncoat.engine.report.numbers import Group, Measured, Rate, mean, median

_ENDED = {
    Outcome.FOOLED: ("was fooled", "were fooled"),
    Outcome.PAST_BEFORE: ("was past the threshold before the attack", "were past the threshold before the attack"),
    Outcome.USED_UP: ("used up its iterations", "used up their iterations"),
    Outcome.ZERO_GRADIENT: ("had a zero gradient", "had a zero gradient"),
    Outcome.NOT_FINITE: ("came to a value that is not finite", "came to values that are not finite"),
    Outcome.UNREADABLE: ("could not be read", "could not be read"),
    Outcome.BELOW: ("stayed below the threshold", "stayed below the threshold"),
}


_BOUNDED = f"no further out than those of 99{SPACE}% of real pictures"


def headline(group: Group, network: str) -> str:
    """The result in one or two sentences."""
    loose, natural = group.get("paper") or group.get("free"), group.get("natural")
    if loose and natural and loose.fooled.total and natural.fooled.total:
        return (
            f"Repainted without limits, people fool {network} on {_of(loose.fooled)} frames. "
            f"With codes {_BOUNDED}, on {natural.fooled.hits or 'none'}."
        )
    attack = loose or natural
    if attack and attack.fooled.total:
        how = "without limits" if attack is loose else f"with codes {_BOUNDED}"
        return f"Repainted {how}, people fool {network} on {_of(attack.fooled)} frames."
    for attack in group.colours:
        if attack.fooled.total:
            far = mm(mean(attack.verified))
            return f"New colours of the clothes, {budget(attack.key)}, move {network}'s pose by {far} on average."
    for attack in group.attacks:
        if attack.fooled.total:
            did = "reaches its goal" if attack in group.aimed else f"fools {network}"
            return f"The attack {short_name(attack.key)} {did} on {_of(attack.fooled)} frames."
    return f"No frame could be attacked, so {network}'s answer is open."


def _of(rate: Rate) -> str:
    if rate.hits in (0, rate.total):
        return f"all {rate.total}" if rate.hits else f"none of {rate.total}"
    return f"{rate.hits} of {rate.total}"


def initial_sentence(attack: Measured) -> str:
    """The error that synthesis alone makes, and who was left out for it."""
    text = (
        "Before any attack the synthesis alone moves the prediction "
        f"{'of the frames attacked ' if attack.past_before else ''}by {mm(mean(attack.initial), 1)} on average "
        f"(median {number(median(attack.initial), 1)})."
    )
    own = mean(attack.attacked["error_gt_clean_mm"])
    if math.isfinite(own):
        text += f" For comparison, the clean prediction is {mm(own, 1)} from ground truth."
    left_out = attack.past_before
    if not left_out:
        return f"{text} No frame was past the threshold before the attack."
    were, them = ("was", "it") if left_out == 1 else ("were", "them")
    everyone = attack.initial_of_all
    return (
        f"{text} {counted(left_out, 'frame')} ({percent(left_out / len(everyone))}) {were} past the threshold before "
        f"the attack and {were} left out of rates and means; with {them} the initial error is {mm(mean(everyone), 1)} "
        f"(median {number(median(everyone), 1)})."
    )


def outcome_sentence(attack: Measured) -> str:
    """How the frames of an attack ended: 'of 100 frames, 94 were fooled and 6 used up their iterations.'"""
    if is_towards(attack.key):
        known = {**_ENDED, Outcome.FOOLED: ("reached its goal", "reached their goal"),
                 Outcome.PAST_BEFORE: ("was there before the attack", "were there before the attack")}  # fmt: skip
    else:
        known = _ENDED
    ended = [f"{times:,} {known[Outcome(sentence)][times != 1]}" for sentence, times in attack.outcomes]
    return f"of {counted(sum(times for _, times in attack.outcomes), 'frame')}, {listed(ended)}."


def codes_sentences(group: Group, radius: float | None) -> list[str]:
    """What the attacks did to the appearance codes."""
    start = median(group.appearance[0].attacked["appearance_mahalanobis_start"]) if group.appearance else math.nan
    if not math.isfinite(start):
        return []
    bound = f"; 99{SPACE}% of natural codes lie within {radius:.1f}" if radius else ""
    out = [f"As encoded, the appearance codes of these frames lie {start:.1f} from the natural mean (median){bound}."]
    for attack in group.appearance:
        after = attack.attacked["appearance_mahalanobis"]
        middle, fooled = median(after), percent(attack.fooled.value)
        name = short_name(attack.key)
        if not math.isfinite(middle):
            continue
        if attack.key == "natural":
            out.append(
                f"The natural setting may not leave that ball: its codes end at {middle:.1f} "
                f"and fool the network on {fooled} of frames."
            )
        elif radius and middle > radius:
            beyond = percent(float(np.mean(after[np.isfinite(after)] > 1.001 * radius)))
            times = distance(middle / start)
            out.append(
                f"The {name} setting ends at {distance(middle)}, {times} times as far; {beyond} of its codes lie "
                f"outside that ball, further out than 99{SPACE}% of real ones. It fools the network on {fooled} "
                "of frames."
            )
        else:
            out.append(f"The {name} setting ends at {middle:.1f} and fools the network on {fooled} of frames.")
    return out


def colour_sentences(group: Group) -> list[str]:
    """What colours alone do, beside random ones of the same budget."""
    out = []
    for attack in group.colours:
        text = f"Within {budget(attack.key)} the ascent moves the prediction by {mm(mean(attack.verified))} on average"
        fooled = f"It fools the network on {percent(attack.fooled.value)} of frames ({interval(attack.fooled)})."
        out.append(f"{text}{_random(attack)}. {fooled}")
    shared = {control.key: control for attack in group.colours for control in attack.controls}
    if "other wardrobes" in shared:
        others = shared["other wardrobes"]
        one, strongest = mm(mean(others.attacked["draws_mean_mm"])), mm(mean(others.verified))
        past = percent(others.fooled.value)
        text = f"The other subjects' own colours move it by {one} on average, the strongest of them by {strongest}"
        text += f" (past the threshold on {past} of frames)"
        if "grey noise" in shared:
            text += f"; one grey level of noise by {mm(mean(shared['grey noise'].verified), 1)}"
        out.append(f"{text}.")
    return out


def _random(attack: Measured) -> str:
    """What random colours of the same budget do."""
    known = {control.key: control for control in attack.controls}
    draws = known.get("random colours, strongest")
    if draws:
        one, tries = mm(mean(draws.attacked["draws_mean_mm"])), number(median(draws.attacked["draws"]))
        return f"; random colours of the same budget by {one}, the strongest of {tries} by {mm(mean(draws.verified))}"
    if "random colours" in known:
        return f"; random colours of the same budget by {mm(mean(known['random colours'].verified))}"
    return ""


def kinds_sentence(group: Group) -> str:
    """How much of the error is a different pose, and not size or turning."""
    said = []
    for attack in group.attacks:
        full, aligned = mean(attack.attacked["error_verified_mm"]), mean(attack.attacked["error_pa_mm"])
        if math.isfinite(full) and math.isfinite(aligned) and full > 0:
            said.append(f"{percent(aligned / full)} of the error under {short_name(attack.key)}")
    if not said:
        return ""
    return (
        "Part of an error may be a person of another size (N-MPJPE forgives that), or one who is turned or moved as "
        f"well (PA-MPJPE forgives all three). What PA-MPJPE keeps is a different pose: {listed(said)}."
    )


def iteration_sentences(group: Group, limits: dict[str, int]) -> list[str]:
    """How long it takes to fool, where it does."""
    out = []
    for attack in group.attacks:
        name, steps, limit = capital(short_name(attack.key)), attack.steps_when_fooled, limits[attack.key]
        if not attack.fooled.total:
            out.append(f"No frame could be attacked with {short_name(attack.key)}.")
        elif len(steps) and attack.kind == "colours":
            out.append(
                f"{name} took {counted(len(steps), 'frame')} past the threshold: half of them for the first time "
                f"within {median(steps):.0f} iterations, nine tenths within {median(steps, 0.9):.0f}; all {limit} are "
                "made, and the strongest counts."
            )
        elif len(steps):
            out.append(
                f"{name} fooled {counted(len(steps), 'frame')}: half of them within {median(steps):.0f} iterations, "
                f"nine tenths within {median(steps, 0.9):.0f}, of at most {limit}."
            )
        else:
            out.append(f"{name} fooled none within {limit} iterations.")
    return out
