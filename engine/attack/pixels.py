"""For context: what an attack on every pixel does, which needs no clothes, no generator and no person.

Projected gradient ascent in the maximum norm (PGD; Madry et al. 2018, "Towards deep learning models resistant to
adversarial attacks"), and random signs as far, which say how much of it is the search.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack.ascent import Rule, ascend
from turncoat.engine.attack.block import Block, curves, judged, settled
from turncoat.engine.attack.identity import generator_of
from turncoat.engine.attack.measure import (
    Admitted,
    Columns,
    admit,
    draws_columns,
    effect,
    strongest_draw,
    to_numpy,
)
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.settings import AttackSettings, pixel_budget
from turncoat.engine.attack.slots import fill, join, take
from turncoat.engine.attack.spaces import ColourBox
from turncoat.export.attack_step import Unpainted
from turncoat.kernels.errors import ConfigError
from turncoat.kernels.pose_error import mpjpe
from turncoat.training.networks import Given

LEVELS = 255
RANDOM_SIGNS = "random signs"
STEPS_PER_BUDGET = 4
"""Step size: a quarter of the budget. Eight such steps cross the whole box, so that 20 reach any corner from any start
and turn round on the way; and for 8 grey levels it is two, which the rounding to 8 bits does not swallow."""


def admit_pixels(pair: Pair, pictures: np.ndarray, batch: int, given: Given | None = None) -> Admitted:
    """Predict on stored frames, uint8 (N, 3, H, W); what is "painted from" are the frames, and nothing is repainted."""
    pieces = []
    for at in range(0, len(pictures), batch):
        clean = pair.frames(pictures[at : at + batch])
        pieces.append(admit(pair, Unpainted(), clean, (), clean, given=take(given, slice(at, at + batch))))
    joined: Admitted = join(pieces)
    return joined


def attack_pixels(
    pair: Pair,
    admitted: Admitted,
    name: str,
    samples: Sequence[Mapping[str, Any]],
    settings: AttackSettings,
    truth: Tensor | None,
) -> Block:
    """Sign steps in the box ``|x - frame| <= budget``, 0 <= x <= 1, from a random start in it.

    All steps are made, and the strongest picture is judged by the float32 error on its 8 bits: the box has its faces
    at whole grey levels, so the rounding stays inside.

    Args:
        pair: whose target is attacked.
        admitted: N samples, from `admit_pixels`.
        name: `pixels-8`, with any whole number of grey levels.
        samples: (N,) their index columns; seeds come from the sample id.
        settings: pixel_iterations, threshold, objective, batch, seed.
        truth: (N, J, 3) mm, or None.
    """
    clean, budget = admitted.appearance, _budget(name)
    limits = (clean - budget).clamp(min=0), (clean + budget).clamp(max=1)
    drawn = [
        generator_of(settings.seed, sample["sample_id"], 0, f"start {name}").uniform(-1, 1, clean.shape[1:])
        for sample in samples
    ]
    space = ColourBox()
    start = space.project(clean + budget * torch.from_numpy(np.stack(drawn).astype(np.float32)).to(clean), limits)
    slots = fill(start, admitted.clean_pose, admitted.canvas, limits, admitted.given)
    rule = Rule(
        settings.pixel_iterations,
        budget / STEPS_PER_BUDGET,
        settings.threshold_mm,
        settings.objective,
        stop=False,
        optimiser="sign",
    )
    found = ascend(pair, Unpainted(), slots, space, rule, size=settings.batch)
    measured = effect(pair, admitted, found.x, truth)
    outcome = [
        settled(ended, verdict)
        for ended, verdict in zip(
            found.outcome, judged(measured, admitted.error_initial, settings.threshold_mm, Outcome.USED_UP), strict=True
        )
    ]
    curve = curves(found.curve)
    columns: Columns = {
        **measured.columns,
        "iterations": np.array(
            [
                _first_past(one, settings.threshold_mm, fooled=ended is Outcome.FOOLED)
                for one, ended in zip(curve, outcome, strict=True)
            ],
            dtype=np.int64,
        ),
        "start": ["random draw"] * len(outcome),
        "checks": np.ones(len(outcome), dtype=np.int64),
        "error_best_mm": np.fmax(to_numpy(found.best), measured.columns["error_final_mm"]),
        "error_curve_mm": curve,
    }
    return Block(_common("pixels", name, settings), outcome, columns)


def random_signs(
    pair: Pair,
    admitted: Admitted,
    name: str,
    samples: Sequence[Mapping[str, Any]],
    settings: AttackSettings,
    truth: Tensor | None,
) -> Block:
    """The strongest of `settings.draws` pictures with the whole budget on every value, up or down by a coin."""
    clean, budget = admitted.appearance, _budget(name)
    coins = [
        generator_of(settings.seed, sample["sample_id"], 0, f"{RANDOM_SIGNS} {name}").integers(
            0, 2, (settings.draws, *clean.shape[1:]), dtype=np.int8
        )
        for sample in samples
    ]
    errors = []
    tossed = torch.from_numpy(np.stack(coins)).to(clean.device)  # (N, K, 3, H, W)

    def picture(which: Tensor | int, where: Tensor) -> Tensor:
        return (clean[where] + budget * (2.0 * tossed[where, which] - 1)).clamp(0, 1)

    each = torch.arange(len(clean), device=clean.device)
    for draw in range(settings.draws):
        errors.append(
            torch.cat(
                [
                    mpjpe(pair.predict(picture(draw, piece), take(admitted.given, piece)), admitted.clean_pose[piece])
                    for piece in each.split(settings.batch)
                ]
            )
        )
    tried = torch.stack(errors)  # (K, N)
    measured = effect(pair, admitted, picture(strongest_draw(tried), each), truth)
    columns: Columns = {
        **measured.columns,
        **draws_columns(tried, settings.threshold_mm),
        "iterations": np.zeros(len(clean), dtype=np.int64),
        "error_best_mm": measured.columns["error_final_mm"],
    }
    common = _common("control", name, settings) | {"control": RANDOM_SIGNS}
    return Block(common, judged(measured, admitted.error_initial, settings.threshold_mm, Outcome.BELOW), columns)


def _budget(name: str) -> float:
    levels = pixel_budget(name)
    if levels is None:
        raise ConfigError(f"{name!r} is no attack on pixels; expected one like 'pixels-8', in grey levels up to 255.")
    return levels / LEVELS


def _common(attack: str, name: str, settings: AttackSettings) -> dict[str, Any]:
    return {"attack": attack, "setting": name, "budget": pixel_budget(name), "objective": settings.objective}


def _first_past(curve: np.ndarray, threshold_mm: float, *, fooled: bool) -> int:
    """The first step past the threshold, for a frame that was fooled; else all that were made."""
    past = np.flatnonzero(curve > threshold_mm)
    return int(past[0]) if fooled and len(past) else max(len(curve) - 1, 0)
