"""A soundness check in words: the verdict, and the numbers that it rests on."""

import math

from turncoat.engine.analysis.intervals import Interval
from turncoat.engine.analysis.soundness import Soundness
from turncoat.engine.analysis.soundness.measured import Against
from turncoat.engine.report.names import SPACE, capital, counted, listed, percent


def verdict(found: Soundness) -> str:
    """One sentence."""
    if found.stronger:
        one = found.stronger[0]
        return f"The attack is not sound: {_gain(found, one)} with {one.measured.variant.words}."
    if found.warnings:
        signs = listed([sign.words for sign in found.warnings])
        return f"The attack is not shown to be sound: nothing beats it, but there are signs to look into: {signs}."
    missing = _not_asked(found)
    return (
        f"The attack is sound: of {counted(len(found.contenders), 'variant')} none beats it by more than its interval, "
        "and nothing says that its gradient hides anything" + (f" (not asked: {listed(missing)})." if missing else ".")
    )


def evidence(found: Soundness) -> list[str]:
    """The sentences below the verdict."""
    attack, threshold = found.attack, found.settings.threshold_mm
    said = [
        f"{capital(attack.variant.words)}, steps of {attack.step_size:g}: {_rate(attack.fooled)} of "
        f"{counted(attack.frames, 'frame')} fooled, {_mm(attack.reached_mm)} reached on average, none counting for "
        f"more than {threshold:.0f}{SPACE}mm."
    ]
    for one in found.stronger[1:]:
        said.append(f"Stronger too: {one.measured.variant.words}; {_gain(found, one)}.")
    rest = [one for one in found.contenders if not one.stronger]
    if rest:
        near = max(rest, key=lambda one: (one.fooled.value, one.reached_mm.value))
        said.append(
            f"{'Of the others the' if found.stronger else 'The'} strongest is {near.measured.variant.words}: "
            f"{_points(near.fooled)}, {_mm_difference(near.reached_mm)}."
        )
    if found.together.variants:
        said.append(
            f"All together, {counted(found.together.variants, 'variant')} and the attack, fool "
            f"{_rate(found.together.fooled)} ({_points(found.together.difference)}): the most that was found within "
            "this budget by this generator."
        )
    said += _of_gradient(found) + _of_budget(found)
    if found.left_out:
        said.append(f"No frame could be compared with {listed(list(found.left_out))}: all past the threshold before.")
    if found.warnings:
        said.append(f"Signs that are there: {'; '.join(f'{sign.words} ({sign.found})' for sign in found.warnings)}.")
    return said


def advice(found: Soundness) -> str | None:
    """What to do about an attack that something beats; None where nothing does."""
    own = [one for one in found.stronger if one.measured.variant.role == "variant"]
    if not own:
        return None
    variant, name = own[0].measured.variant, found.settings.setting
    if variant.optimiser == "random":
        return "A search without gradients beats it, so its gradient is not to be trusted: quote all together."
    if variant.optimiser != found.attack.variant.optimiser:
        return (
            f"Attack with `--optimiser {name}={variant.optimiser}` (`turncoat step-size --optimiser` records its step "
            f"size), and ask again: `turncoat soundness ... --optimiser {variant.optimiser}`."
        )
    if variant.name == "restarts":
        starts = variant.settings.restarts
        return f"Attack with `--restarts {starts}`, and ask again: `turncoat soundness ... --starts {starts}`."
    return f"Attack like that ({variant.words}), or quote all together; a success rate of the attack alone is too low."


def _gain(found: Soundness, one: Against) -> str:
    further = _mm_difference(one.reached_mm)
    if one.fools_more:
        return (
            f"success rises from {percent(found.attack.fooled.value)} to {_rate(one.measured.fooled)} (paired "
            f"{_points(one.fooled)}) and the error reached by {further}"
        )
    return f"the error reached rises by {further} (success by {_points(one.fooled)})"


def _of_gradient(found: Soundness) -> list[str]:
    known = [slope for slope in found.slopes if not math.isnan(slope.relative_error)]
    if not known:
        return []
    worst = max(known, key=lambda slope: slope.relative_error)
    aside = min(slope.step_cosine for slope in known)
    return [
        f"The gradient is off finite differences by {100 * worst.relative_error:.1f} % in the median "
        f"({100 * worst.relative_error_p90:.1f} % at the 90th percentile) at the worst of "
        f"{counted(len(known), 'iterate')}, on {counted(known[0].frames, 'frame')}; the cosine of the attack's step "
        f"with it is {aside:.2f} or more (median over frames)."
    ]


def _of_budget(found: Soundness) -> list[str]:
    easier = next((one.measured for one in found.compared if one.measured.variant.role == "easier"), None)
    if easier is not None:
        return [
            f"Positive control: past {easier.variant.settings.threshold_mm:.0f}{SPACE}mm, an easier objective, "
            f"{_rate(easier.fooled)} are fooled."
        ]
    if found.half is None:
        return []
    factors = [factor for factor, _ in found.budgets]
    if math.isnan(found.half.value):
        return [f"Positive control: not even a ball {max(factors):g} times as large is enough for half of the frames."]
    if found.half.value <= min(factors):
        most = found.budgets[-1][1]
        return [
            f"Positive control: in the smallest ball that was tried, {min(factors):g} times the radius, half of the "
            f"frames are fooled already; at {max(factors):g} times {_rate(most.fooled)}."
        ]
    low, high = (f"{bound:.2g}" if math.isfinite(bound) else "beyond" for bound in (found.half.low, found.half.high))
    return [
        f"Positive control: half of the frames are fooled in a ball of {found.half.value:.2g} times the radius ("
        f"{low} to {high})."
    ]


def _not_asked(found: Soundness) -> list[str]:
    names = {"gradient": "the gradient", "search": "a search without gradients", "budgets": "other budgets"}
    return [words for kind, words in names.items() if kind in found.settings.without]


def _rate(share: Interval) -> str:
    bounds = f" [{100 * share.low:.0f}–{100 * share.high:.0f}]" if share.known else ""
    return f"{percent(share.value)}{bounds}"


def _points(difference: Interval) -> str:
    bounds = f" [{_signed(100 * difference.low)} to {_signed(100 * difference.high)}]" if difference.known else ""
    return f"{_signed(100 * difference.value)}{SPACE}points{bounds}"


def _mm(value: Interval) -> str:
    bounds = f" [{value.low:.0f}–{value.high:.0f}]" if value.known else ""
    return f"{value.value:.0f}{SPACE}mm{bounds}"


def _mm_difference(value: Interval) -> str:
    bounds = f" [{_signed(value.low)} to {_signed(value.high)}]" if value.known else ""
    return f"{_signed(value.value)}{SPACE}mm{bounds}"


def _signed(number: float) -> str:
    text = f"{number:+.0f}".replace("-", "−")
    return "0" if text in ("+0", "−0") else text
