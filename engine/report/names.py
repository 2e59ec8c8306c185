"""The names that a person reads for settings and controls, and how numbers are written."""

import math
from collections.abc import Mapping
from typing import Any

from turncoat.engine.attack.settings import bounds_of, code_budget, is_appearance
from turncoat.engine.report.numbers import Measured, Rate

SPACE = "\u00a0"  # between a number and its unit, so that a line never breaks there

CONTROL_NAMES = {
    "random direction": "random direction, as long",
    "same subject": "another frame's code, same subject",
    "other subjects": "strongest of other subjects' codes",
    "random colours": "one random draw of colours",
    "random colours, strongest": "strongest random draw of colours",
    "random corners": "strongest random corner of the budget",
    "other wardrobes": "strongest of other subjects' colours",
    "grey noise": "one grey level of noise",
    "random signs": "strongest random signs of the same budget",
}

_EXPLAINED = {
    "paper": "Algorithm 1 of the paper to the letter: ascent on the raw appearance code, without any bound.",
    "free": "The same ascent in whitened coordinates, without any bound.",
    "natural": f"The same ascent in whitened coordinates, kept in the ball that holds 99{SPACE}% of natural codes; "
    "that bounds how far out a code is, and does not make it one that a real picture has.",
    "smallest": "The code nearest to the own one, among those in that ball, that fools: found by bisection.",
    "smallest-free": "The code nearest to the own one, in whitened coordinates, that fools: found by bisection.",
    "towards": "Driven towards a pose instead of away from one, inside that ball.",
    "towards-free": "Driven towards a pose, in whitened coordinates, without any bound.",
    "towards-paper": "Driven towards a pose, on the raw code, without any bound.",
}


OPTIMISERS = {
    "adam": "Adam",
    "sign": "sign steps",
    "gradient": "plain gradient steps",
    "random": "random search, no gradients",
}


def moved_by(info: Mapping[str, Any]) -> str:
    """How the appearance attacks of a run move, from its run.json: "Adam", or what each does; starts and ball."""
    settings, attacks = info["settings"], info.get("attacks") or {}
    chosen = settings.get("optimiser") or {}
    names = [name for name in settings.get("attacks", ()) if is_appearance(name)]
    moves = {name: (attacks.get(name) or {}).get("optimiser") or chosen.get(name, "adam") for name in names}
    named = {name: OPTIMISERS.get(move, move) for name, move in moves.items()}
    alike = len(set(named.values())) <= 1
    said = next(iter(named.values()), "Adam") if alike else "; ".join(f"{name}: {move}" for name, move in named.items())
    starts, ball = settings.get("restarts", 1), settings.get("budget_factor", 1)
    floors = [(settings.get("psnr_floor"), "a PSNR of {:g} dB"), (settings.get("ssim_floor"), "an SSIM of {:g}")]
    kept = listed([words.format(floor) for floor, words in floors if floor is not None])
    return (
        said
        + (f", pictures kept above {kept}" if kept else "")
        + (f", {starts} starts" if starts > 1 else "")
        + (f", {ball:g} times the natural ball" if ball != 1 else "")
    )


def colour_of(key: str) -> str:
    """CSS class of a setting."""
    if is_appearance(key):
        return bounds_of(key)
    return "colours" if key.startswith("colours") else "control"


def short_name(key: str) -> str:
    """A setting as it stands in tables: paper, natural, colours ±0.1."""
    if not key.startswith("colours-"):
        return key.replace("pixels-", "pixels ±")
    amount = key.removeprefix("colours-")
    return "colours free" if amount == "free" else f"colours ±{amount}"


def budget(key: str) -> str:
    """The budget of a setting on colours: ±0.1."""
    amount = key.removeprefix("colours-")
    return "[0.05, 0.95]" if amount == "free" else f"±{amount}"


def explained(attack: Measured) -> str:
    """What the setting is, in one sentence."""
    if attack.kind == "pixels":
        levels = attack.key.removeprefix("pixels-")
        return f"For context: every pixel by at most {levels} of 255 grey levels, as no clothes could."
    if code_budget(attack.key) is not None:
        far = f"{code_budget(attack.key):g}"
        return f"Inside that ball, and at most {far} from the own code; the strongest of all steps counts."
    if not attack.key.startswith("colours-"):
        return _EXPLAINED.get(attack.key, "")
    amount = attack.key.removeprefix("colours-")
    bound = "anywhere in [0.05, 0.95]" if amount == "free" else f"each channel by at most {amount}"
    return f"Ascent on the colours of the garments alone, {bound}; no generator is involved."


def percent(share: float) -> str:
    """A share in whole percent; with a digit where it would read 0 or 100 without being it; a dash for NaN."""
    if not math.isfinite(share):
        return "–"
    value = 100 * share
    return f"{value:.{1 if 0 < value < 0.5 or 99.5 < value < 100 else 0}f}{SPACE}%"


def interval(rate: Rate) -> str:
    """The 95 % interval of a share, in percent."""
    if not (math.isfinite(rate.low) and math.isfinite(rate.high)):
        return "–"
    return f"{100 * rate.low:.0f}–{100 * rate.high:.0f}{SPACE}%"


def number(value: float, decimals: int = 0) -> str:
    """A number, or a dash for NaN."""
    return f"{value:,.{decimals}f}" if math.isfinite(value) else "–"


def distance(value: float) -> str:
    """A Mahalanobis distance: with a digit below 100."""
    return number(value, 1 if value < 100 else 0)


def mm(value: float, decimals: int = 0) -> str:
    """Millimetres with their unit."""
    return f"{number(value, decimals)}{SPACE}mm"


def counted(count: int, what: str) -> str:
    """1 frame, 2 frames."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def listed(items: list[str]) -> str:
    """a, b and c."""
    return f"{', '.join(items[:-1])} and {items[-1]}" if len(items) > 1 else "".join(items)


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]
