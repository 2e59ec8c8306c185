"""Algorithm 1: change nothing but the appearance code, and watch the predicted pose move."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack.ascent import Rule
from turncoat.engine.attack.block import Block, settled
from turncoat.engine.attack.code_flight import CodeFlight
from turncoat.engine.attack.courses import radius_of
from turncoat.engine.attack.goals import at_start, verdicts
from turncoat.engine.attack.identity import generator_of
from turncoat.engine.attack.measure import Admitted, Columns, admit, effect, to_numpy
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair, compute_in
from turncoat.engine.attack.restarts import Kept, Strongest, kept_columns
from turncoat.engine.attack.search import search
from turncoat.engine.attack.settings import AttackSettings, bounds_of, code_budget, is_smallest, is_towards
from turncoat.engine.attack.slots import fill, join, take
from turncoat.engine.attack.spaces import Raw, Space, Whitened
from turncoat.engine.attack.starts import random_starts
from turncoat.engine.attack.verified import reference_paint
from turncoat.kernels.errors import ConfigError
from turncoat.training.networks import Given, guide


def admit_codes(pair: Pair, frames: Tensor, background: Tensor, given: Given | None = None) -> Admitted:
    """Encode, decode once, fix the mask (Algorithm 1, lines 1 to 5), in float32.

    Args:
        pair: generator and target.
        frames: (N, 3, H, W) float32 in [0, 1].
        background: (N, 3, H, W) float32 in [0, 1], the same scenes without the person.
        given: where the people are, for networks that are told.
    """
    with torch.no_grad(), compute_in(torch.float32, pair.generator):
        generator = guide(pair.generator, given)
        codes = generator.encode(frames)
        canvas = generator.canvas(codes, background)
        # A network that attacks itself has encoded these frames already.
        regress = getattr(pair.generator, "regress", None) if pair.target is pair.generator else None
        clean_pose = regress(codes.pose_code) if regress is not None else None
    return admit(pair, pair.generator, codes.appearance, canvas, frames, codes.box, given, clean_pose)


def space_of(name: str, generator: Any, device: torch.device, budget_factor: float = 1.0) -> tuple[Space, float | None]:
    """The space in which the attack of that name walks, and the radius of its ball around the mean (None: unbounded).

    The radius of `natural` is `budget_factor` times the one that holds 99 % of natural codes.

    Raises:
        ConfigError: the weights hold no statistics of natural codes, which all but `paper` need.
    """
    radius = radius_of(name, generator, budget_factor)
    return (Raw() if bounds_of(name) == "paper" else Whitened(generator.statistics, radius, device)), radius


def attack_codes(
    pair: Pair,
    admitted: Admitted,
    name: str,
    step_size: float,
    settings: AttackSettings,
    truth: Tensor | None,
    samples: Sequence[Mapping[str, Any]] | None = None,
) -> Block:
    """Run one appearance attack on admitted samples, from as many starts as the settings say.

    Args:
        pair: generator and target.
        admitted: N samples, from `admit_codes`.
        name: `paper`, `free`, `natural`, `budget-*`, `smallest*` or `towards*`; the last want `admitted.goal`.
        step_size: of the optimiser, in the coordinates of that attack.
        settings: threshold, iterations, restarts, optimiser, objective, batch, seed.
        truth: (N, J, 3) mm, or None.
        samples: (N,) their index columns, for the seeds of whatever is random; not needed where nothing is.

    Raises:
        ConfigError: weights without statistics; restarts or a random search without `samples`; no goal.

    Source: Nakka and Salzmann 2023, Algorithm 1; starts, bounds and verification: docs/attacks.md.
    """
    searches = settings.optimiser_of(name) == "random"
    if samples is None and (settings.restarts > 1 or searches):
        raise ConfigError("Restarts and random search need the samples' index columns, for their seeds; give samples.")
    if searches:
        kept = search_codes(pair, admitted, name, step_size, settings, samples or [])
    else:
        flight = CodeFlight(pair, settings, {name: step_size})
        riders = flight.board(admitted, samples)
        for _ in flight.run():
            pass
        kept = [rider.kept[name] for rider in riders]
    return block_of(pair, admitted, kept, name, settings, truth)


def search_codes(
    pair: Pair,
    admitted: Admitted,
    name: str,
    step_size: float,
    settings: AttackSettings,
    samples: Sequence[Mapping[str, Any]],
) -> list[Kept]:
    """Random search in place of an ascent (optimiser `random`); see `attack_codes`."""
    space, radius = space_of(name, pair.generator, pair.device, settings.budget_factor)
    rule = Rule(settings.iterations, step_size, settings.threshold_mm, settings.objective, optimiser="random")
    usable = admitted.usable()
    before = usable & (admitted.error_initial > settings.threshold_mm)
    standing = (usable & ~before).nonzero()[:, 0]
    x_start = space.coordinates(admitted.appearance)
    unattacked = [Outcome.PAST_BEFORE if past else Outcome.NOT_FINITE for past in before.tolist()]
    found = Strongest(x_start, unattacked, admitted.error_initial)
    for restart in range(settings.restarts):
        for piece in standing.split(settings.batch):
            some = [samples[place] for place in piece.tolist()]
            x = x_start[piece]
            if restart > 0:
                x = random_starts(x, some, name, radius, step_size, settings.seed, restart)
            slots = fill(x, admitted.clean_pose[piece], take(admitted.canvas, piece), given=take(admitted.given, piece))
            random = [generator_of(settings.seed, one["sample_id"], restart, f"search {name}") for one in some]
            results = search(pair, pair.generator, slots, space, rule, radius, random)
            for place, made in zip(piece.tolist(), results.iterations.tolist(), strict=True):
                found.kept[place].queries += made + 1
            found.offer(piece, results, restart)
        standing = found.standing(standing)
        if not len(standing):
            break
    return found.kept


def block_of(
    pair: Pair, admitted: Admitted, kept: Sequence[Kept], name: str, settings: AttackSettings, truth: Tensor | None
) -> Block:
    """What one attack came to on N samples, measured: the rows of a result.

    What the steps found is judged again, by the float32 error on the last 8-bit frame: the rule of controls.

    Args:
        admitted: the N samples. kept: of each, what its ascents came to.
        truth: (N, J, 3) mm, or None.
    """
    space, radius = space_of(name, pair.generator, pair.device, settings.budget_factor)
    budget = code_budget(name)
    _, before = at_start(admitted, name, settings)
    x, x_start = torch.stack([one.x for one in kept]), space.coordinates(admitted.appearance)
    appearance = torch.where(before[:, None], admitted.appearance, space.appearance(x))
    painted = reference_paint(pair, pair.generator, appearance, admitted.canvas)
    measured = effect(pair, admitted, painted, truth, crop_size(pair.generator, painted))
    found, about_goal = verdicts(measured, admitted, name, settings, Outcome.USED_UP)
    outcome = [settled(one.outcome, verdict) for one, verdict in zip(kept, found, strict=True)]
    shift = (x - x_start).norm(dim=1)
    columns = {
        **measured.columns,
        **code_columns(pair.generator, admitted.appearance, appearance, pair.device),
        "appearance_shift": to_numpy(shift),
        **kept_columns(list(kept)),
        **about_goal,
        **({"queries": np.array([one.queries for one in kept])} if pair.queries is not None else {}),
    }
    if is_towards(name):  # what its ascents saw are distances to the goal
        columns["error_goal_curve_mm"] = columns.pop("error_curve_mm")
        del columns["error_best_mm"]
    else:
        columns["error_best_mm"] = np.fmax(columns["error_best_mm"], columns["error_final_mm"])
    if is_smallest(name):  # how far one went without getting there is no smallest distance
        there = np.array([one is Outcome.FOOLED for one in outcome])
        columns["appearance_shift"] = np.where(there, columns["appearance_shift"], np.nan)
        nothing = np.array([one.nothing_below for one in kept], dtype=np.float64)
        columns["appearance_shift_low"] = np.where(there, nothing, np.nan)
    common = {"attack": "appearance", "setting": name, "objective": settings.objective}
    return Block(
        common={**common, "budget": radius if budget is None else budget},
        outcome=outcome,
        columns=columns,
        appearance=appearance,
        x_shift=shift,
    )


def code_columns(generator: Any, start: Tensor, appearance: Tensor, device: torch.device) -> Columns:
    """Columns about the codes themselves; (N, 128) each. Mahalanobis distances only where there are statistics."""
    columns: Columns = {"appearance": appearance, "appearance_shift_l2": (appearance - start).norm(dim=1)}
    statistics = getattr(generator, "statistics", None)
    if statistics is not None:
        whitened = Whitened(statistics, device=device)
        columns["appearance_mahalanobis"] = whitened.coordinates(appearance).norm(dim=1)
        columns["appearance_mahalanobis_start"] = whitened.coordinates(start).norm(dim=1)
    return {name: to_numpy(value) for name, value in columns.items()}


def crop_size(generator: Any, frames: Tensor) -> int:
    """Side of the generator's crop in pixels; half the frame's where the generator does not say."""
    return int(getattr(getattr(generator, "settings", None), "crop_size", frames.shape[-1] // 2))


def admit_in_batches(
    pair: Pair, frames: np.ndarray, backgrounds: np.ndarray, batch: int, given: Given | None = None
) -> Admitted:
    """`admit_codes` of uint8 pictures (N, 3, H, W), a batch at a time."""
    pieces = [
        admit_codes(pair, pair.frames(frames[piece]), pair.frames(backgrounds[piece]), take(given, piece))
        for piece in (slice(at, at + batch) for at in range(0, len(frames), batch))
    ]
    joined: Admitted = join(pieces)
    return joined
