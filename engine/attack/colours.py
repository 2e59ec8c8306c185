"""The colour attack: change only the colours of the clothes, exactly, with no generator in between.

A studio frame is linear in its materials' colours, so the ascent is over a dozen numbers a frame, through
``frame = clamp(sum_m shading_m * colour_m + rest)``. Pose, camera, light, background and silhouette stay as they are,
and nobody can say that the generator was to blame.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack.ascent import Ascended, Rule, ascend
from turncoat.engine.attack.block import Block, curves, judged
from turncoat.engine.attack.identity import Asker, generator_of
from turncoat.engine.attack.measure import Admitted, Columns, admit, effect, strongest_draw, to_numpy
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.settings import AttackSettings, colour_budget
from turncoat.engine.attack.slots import fill, join, take
from turncoat.engine.attack.spaces import ColourBox
from turncoat.engine.attack.verified import reference_paint
from turncoat.kernels.pose_error import mpjpe
from turncoat.kernels.recompose import recompose
from turncoat.training.networks import Given

FREE_LOW, FREE_HIGH = 0.05, 0.95
FREE_STEP, STEPS_PER_BUDGET = 0.05, 10  # step size: a tenth of the budget
OWN_JITTER = 0.2  # of the budget: at the own colours themselves the error, and so its gradient, is almost zero
FREE_JITTER = 0.08
STARTS = ("own", "random draw")


class Fabric(NamedTuple):
    """What stays of N frames when their garments change colour."""

    shading: Tensor  # (N, G, H, W) how strongly each garment shows
    rest: Tensor  # (N, 3, H, W) everything else, lit and coloured


class Dyer:
    """Paints frames from the garments' colours; to the attack step it is a generator like any other."""

    def paint(self, appearance: Tensor, canvas: Fabric) -> Tensor:
        """Colours (B, G, 3) in [0, 1] -> frames (B, 3, H, W) in [0, 1]."""
        return recompose(canvas.shading, appearance, canvas.rest)


class Dressed(NamedTuple):
    """N admitted samples and their wardrobes."""

    admitted: Admitted  # appearance: (N, G, 3) own colours of the garments; canvas: Fabric
    colours: Tensor  # (N, M, 3) own colours of all materials
    garment: Tensor  # (M,) bool, which materials are garments

    def worn(self, garments: Tensor) -> Tensor:
        """All materials' colours (N, M, 3) when the garments have colours (N, G, 3)."""
        colours = self.colours.clone()
        colours[:, self.garment] = garments
        return colours


class Drawn(NamedTuple):
    """Random colours within the limits of one attack."""

    limits: tuple[Tensor, Tensor]  # lowest and highest colours, (N, G, 3) each
    colours: Tensor  # (N, K, G, 3)
    errors: Tensor  # (K, N) mm
    strongest: Tensor  # (N, G, 3), the draw with the largest error


def admit_colours(pair: Pair, pictures: np.ndarray, layers: Any, batch: int, given: Given | None = None) -> Dressed:
    """Predict on stored frames and on their recomposition.

    Args:
        pair: whose target predicts.
        pictures: uint8 (N, 3, H, W), as stored.
        layers: of these frames, from `Dataset.layers`.
        batch: samples computed together.
        given: where the people are, for networks that are told.
    """
    garment = torch.as_tensor(np.asarray(layers.garment), dtype=torch.bool, device=pair.device)
    pieces, colours = [], []
    for at in range(0, len(pictures), batch):
        shading, own, rest = (
            torch.as_tensor(getattr(layers, name)[at : at + batch], device=pair.device)
            for name in ("shading", "colours", "rest")
        )
        fixed = recompose(shading[:, ~garment], own[:, ~garment], rest, clamp=False)
        fabric = Fabric(shading[:, garment].contiguous(), fixed)
        clean, where = pair.frames(pictures[at : at + batch]), take(given, slice(at, at + batch))
        pieces.append(admit(pair, Dyer(), own[:, garment], fabric, clean, given=where))
        colours.append(own)
    return Dressed(join(pieces), torch.cat(colours), garment)


def draw_colours(
    pair: Pair, dressed: Dressed, name: str, samples: Sequence[dict[str, Any]], settings: AttackSettings
) -> Drawn:
    """`settings.draws` uniform draws within the budget of the attack `name`; seeds come from the sample ids."""
    own = dressed.admitted.appearance
    low, high = limits = limits_of(own, name)
    share = np.stack(
        [
            generator_of(settings.seed, sample["sample_id"], 0, f"random {name}").random(
                (settings.draws, *own.shape[1:])
            )
            for sample in samples
        ]
    )
    colours = low[:, None] + (high - low)[:, None] * torch.from_numpy(share.astype(np.float32)).to(own.device)
    errors = try_colours(pair, dressed.admitted, colours, settings.batch)
    strongest = colours[torch.arange(len(colours), device=own.device), strongest_draw(errors)]
    return Drawn(limits, colours, errors, strongest)


def attack_colours(
    pair: Pair,
    dressed: Dressed,
    drawn: Drawn,
    name: str,
    samples: Sequence[dict[str, Any]],
    settings: AttackSettings,
    truth: Tensor | None,
) -> Block:
    """Projected gradient ascent on the garments' colours from two starts; the stronger result counts.

    The starts are the own colours (jittered by a fifth of the budget) and the best random draw. All iterations are
    made, whether or not the threshold is passed, and the strongest colours seen are verified on the 8-bit frame: what
    is asked is how far a budget carries.

    Args:
        pair: whose target is attacked.
        dressed: N samples, from `admit_colours`.
        drawn: random colours of the same attack, from `draw_colours`.
        name: `colours-0.1`, `colours-0.2`, `colours-free` ...
        samples: (N,) their index columns; seeds come from the sample id.
        settings: colour_iterations, threshold, objective, batch.
        truth: (N, J, 3) mm, or None.
    """
    admitted, budget = dressed.admitted, colour_budget(name)
    jitter = np.stack(
        [
            generator_of(settings.seed, sample["sample_id"], 0, f"own {name}").standard_normal(
                admitted.appearance.shape[1:]
            )
            for sample in samples
        ]
    )
    spread = FREE_JITTER if budget is None else OWN_JITTER * budget
    own = admitted.appearance + spread * torch.from_numpy(jitter.astype(np.float32)).to(pair.device)
    starts = (own, drawn.strongest)
    askers = [[Asker(sample["sample_id"], start, name) for sample in samples] for start in range(len(starts))]
    found = [
        _ascend(pair, admitted, start, drawn.limits, name, settings, mine)
        for start, mine in zip(starts, askers, strict=True)
    ]
    block = _better(pair, dressed, found, settings, truth)
    if pair.queries is not None:
        block.columns["queries"] = np.sum([pair.queries.taken(mine) for mine in askers], axis=0)
    block.common = {"attack": "colours", "setting": name, "budget": budget, "objective": settings.objective}
    return block


def limits_of(own: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Lowest and highest colours, (N, G, 3) each, that the attack `name` may use around the own ones."""
    budget = colour_budget(name)
    if budget is None:
        return torch.full_like(own, FREE_LOW), torch.full_like(own, FREE_HIGH)
    return (own - budget).clamp(min=0), (own + budget).clamp(max=1)


def colour_step_size(name: str) -> float:
    """Step of the ascent: a tenth of the budget."""
    budget = colour_budget(name)
    return FREE_STEP if budget is None else budget / STEPS_PER_BUDGET


def try_colours(pair: Pair, admitted: Admitted, colours: Tensor, batch: int) -> Tensor:
    """Error in mm of several sets of garments' colours, (N, K, G, 3), for each sample -> (K, N)."""
    columns = []
    for piece in torch.arange(len(colours), device=colours.device).split(batch):
        canvas, given, clean = take(admitted.canvas, piece), take(admitted.given, piece), admitted.clean_pose[piece]
        columns.append(
            torch.stack(
                [
                    mpjpe(pair.predict(reference_paint(pair, Dyer(), colours[piece, k], canvas), given), clean)
                    for k in range(colours.shape[1])
                ]
            )
        )
    return torch.cat(columns, dim=1)


def colour_columns(dressed: Dressed, garments: Tensor) -> Columns:
    """All materials' colours, and how far the garments', (N, G, 3), went."""
    shift = (garments - dressed.admitted.appearance).flatten(1)
    return {
        "colours": to_numpy(dressed.worn(garments)),
        "colour_shift_max": to_numpy(shift.abs().amax(dim=1)),
        "colour_shift_l2": to_numpy(shift.norm(dim=1)),
    }


def _ascend(
    pair: Pair,
    admitted: Admitted,
    start: Tensor,
    limits: tuple[Tensor, Tensor],
    name: str,
    settings: AttackSettings,
    askers: Sequence[Asker],
) -> Ascended:
    """All steps from `start` (N, G, 3), the strongest colours kept."""
    rule = Rule(
        settings.colour_iterations, colour_step_size(name), settings.threshold_mm, settings.objective, stop=False
    )
    space = ColourBox()
    x = space.project(start, limits)
    pieces = []
    for piece in torch.arange(len(start), device=start.device).split(settings.batch):
        canvas, given = take(admitted.canvas, piece), take(admitted.given, piece)
        slots = fill(x[piece], admitted.clean_pose[piece], canvas, take(limits, piece), given)
        pieces.append(ascend(pair, Dyer(), slots, space, rule, [askers[sample] for sample in piece.tolist()]))
    return Ascended.joined(pieces)


def _better(
    pair: Pair, dressed: Dressed, found: list[Ascended], settings: AttackSettings, truth: Tensor | None
) -> Block:
    """The stronger of the starts of every sample, verified on the 8-bit frame."""
    admitted = dressed.admitted
    best = torch.stack([one.best for one in found])  # (starts, N)
    winner = best.argmax(dim=0)
    each = torch.arange(best.shape[1], device=best.device)
    garments = torch.stack([one.x for one in found])[winner, each]
    curve = curves(torch.stack([one.curve for one in found])[winner, each])
    measured = effect(pair, admitted, reference_paint(pair, Dyer(), garments, admitted.canvas), truth)
    outcome = judged(measured, admitted.error_initial, settings.threshold_mm, Outcome.USED_UP)
    past = (best.amax(dim=0) > settings.threshold_mm).tolist()
    iterations = np.zeros(len(outcome), dtype=np.int64)
    for n, start in enumerate(winner.tolist()):
        crossed = np.flatnonzero(curve[n] > settings.threshold_mm)
        fooled = outcome[n] is Outcome.FOOLED and len(crossed) > 0
        iterations[n] = crossed[0] if fooled else max(len(curve[n]) - 1, 0)
        if outcome[n] is Outcome.USED_UP:
            outcome[n] = found[start].outcome[n]
    columns: Columns = {
        **measured.columns,
        **colour_columns(dressed, garments),
        "iterations": iterations,
        "checks": np.array(past, dtype=np.int64),
        "confirmed_first": [
            verdict is Outcome.FOOLED if is_past else None for verdict, is_past in zip(outcome, past, strict=True)
        ],
        "start": [STARTS[start] for start in winner.tolist()],
        "error_best_mm": np.fmax(to_numpy(best.amax(dim=0)), measured.columns["error_final_mm"]),
        "error_curve_mm": curve,
    }
    return Block({}, outcome, columns, garments)
