"""What a transfer matrix says, in sentences."""

import math

from turncoat.engine.analysis.transfer import PAST_MM, Transfer
from turncoat.engine.analysis.transfer.cells import Average
from turncoat.engine.report.names import SPACE, counted, listed, mm, percent

MARK = "†"
OWN, OTHER, FOREIGN = (
    "made for the target, which paints itself",
    "made for the target, another network paints",
    "made for another target",
)


def headline(found: Transfer) -> str:
    """The answer for the first setting and group."""
    averages = {one.words: one for one in found.averages if _first(found, one)}
    foreign, own = averages.get(FOREIGN), averages.get(OWN) or averages.get(OTHER)
    if foreign is None or not math.isfinite(foreign.error_mm.value):
        if own is None or not math.isfinite(own.error_mm.value):
            return "No pair of networks can be averaged: every one is marked."
        return f"Attacks move their targets by {mm(own.error_mm.value)}; there is no other network to show them to."
    said = f"Attacks made for another network move a pose by {mm(foreign.error_mm.value)}"
    if own is not None and math.isfinite(own.error_mm.value):
        said += f", those made for the network itself by {mm(own.error_mm.value)}"
    if foreign.random_mm is not None:
        said += f"; random directions as long by {mm(foreign.random_mm.value)}"
    return said + "."


def lede(found: Transfer) -> str:
    """What was attacked with what."""
    run = next(iter(found.runs.values()))
    selection, data = run.info["selection"], run.info["dataset"]
    return (
        f"{counted(len(found.generators), 'generator')}, {counted(len(found.targets), 'target')} · "
        f"{counted(selection['frames'], 'frame')} of {data['name']} ({data['recipe']}), split {selection['split']} · "
        f"{', '.join(found.settings)}, threshold {mm(found.threshold_mm)}"
    )


def notes(found: Transfer) -> list[str]:
    """What has to be known before the numbers."""
    said = []
    marked = [one for one in found.repaints if one.marks]
    for mark in dict.fromkeys(mark for one in marked for mark in one.marks):
        pairs = [
            f"{one.target} painted by {one.generator} ({mm(one.initial_mm.value)}"
            + (f", {one.group})" if len(found.groups) > 1 else ")")
            for one in marked
            if mark in one.marks
        ]
        said.append(f"{MARK} {mark}, so left out of averages: {listed(pairs)}.")
    if found.failed:
        said.append(f"{counted(found.failed, 'sample')} failed: unreadable, or numbers that are not finite.")
    if found.differs_mm > 1:
        said.append(
            f"Frames painted again differ from those attacked by up to {mm(found.differs_mm, 1)} of error: more than "
            "rounding. The weights are others than those that attacked, or the machine computes differently."
        )
    return said


def explained(found: Transfer) -> list[str]:
    """What the tables' words mean."""
    return [
        "Initial: what the generator's unattacked repainting alone does to the target, mean of all frames that can be "
        f"read. Pairs past {PAST_MM:.0f}{SPACE}mm are marked {MARK} and hatched and left out of averages: there the "
        "repainting is wrong before any attack.",
        "Attacked: error of the network that looks between its predictions on the attacked 8-bit frame, painted again "
        "from the stored code, and on the clean frame. An attack stops once the network it was made for is past "
        f"{mm(found.threshold_mm)}, so one made for another network was not driven as far as it could be.",
        "Random direction: the same generator and frames, a step as long as each attack's in a direction that nobody "
        "chose. What is no further than that is no transfer.",
        "Of its own: what the attack adds to the repainting's error, over what one made for the looking network adds, "
        "on the same frames. 100 %: it does not matter whom it was made for; 0: nothing is handed on.",
        "Frames that the repainting moves past the threshold, for the network that the attack was made for or for the "
        "one that looks, are left out and counted.",
    ]


def key_figures(found: Transfer) -> list[dict[str, str]]:
    """The averages of the first setting and group, as large numbers."""
    averages = {one.words: one for one in found.averages if _first(found, one)}
    keys = []
    for words in (OWN, OTHER, FOREIGN):
        one = averages.get(words)
        if one is None or not math.isfinite(one.error_mm.value):
            continue
        beside = f"{percent(one.success)} past {mm(found.threshold_mm)}; repainting alone {mm(one.initial_mm.value)}"
        if one.random_mm is not None:
            beside += f", random direction {mm(one.random_mm.value)}"
        keys.append(
            {
                "value": f"{one.error_mm.value:.0f}",
                "unit": "mm",
                "words": f"attacks {words}, mean of {counted(one.cells, 'cell')}",
                "beside": beside,
                "css": "natural" if words == FOREIGN else "",
            }
        )
    return keys


def _first(found: Transfer, one: Average) -> bool:
    return (one.setting, one.group) == (found.settings[0], found.groups[0])
