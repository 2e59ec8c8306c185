"""Algorithm 1: change nothing but the appearance code, and watch the predicted pose move."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack.ascent import Rule, ascend, reference_paint
from turncoat.engine.attack.block import Block, judged, settled
from turncoat.engine.attack.identity import Asker, generator_of
from turncoat.engine.attack.measure import Admitted, Columns, admit, effect, to_numpy
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair, compute_in
from turncoat.engine.attack.restarts import Strongest
from turncoat.engine.attack.search import search
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.attack.slots import fill, join, take
from turncoat.engine.attack.spaces import Raw, Space, Whitened
from turncoat.engine.attack.starts import random_starts
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
    return admit(pair, pair.generator, codes.appearance, canvas, frames, codes.box, given)


def space_of(name: str, generator: Any, device: torch.device, budget_factor: float = 1.0) -> tuple[Space, float | None]:
    """The space in which the attack of that name walks, and its budget (None: unbounded).

    The budget of `natural` is `budget_factor` times the radius that holds 99 % of natural codes.

    Raises:
        ConfigError: the weights hold no statistics of natural codes, which `free` and `natural` need.
    """
    if name == "paper":
        return Raw(), None
    statistics = getattr(generator, "statistics", None)
    if statistics is None:
        raise ConfigError(
            f"The attack {name!r} needs statistics of natural appearance codes, and these weights hold "
            "none; run `turncoat fit-regressor` on them, or attack with `paper`."
        )
    radius = budget_factor * float(statistics.radius_p99) if name == "natural" else None
    return Whitened(statistics, radius, device), radius


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

    What the steps found is judged again at the end, by the float32 error on the last 8-bit frame: the rule of controls.

    Args:
        pair: generator and target.
        admitted: N samples, from `admit_codes`.
        name: `paper`, `free` or `natural`.
        step_size: of the optimiser, in the coordinates of that attack.
        settings: threshold, iterations, restarts, optimiser, objective, batch, seed.
        truth: (N, J, 3) mm, or None.
        samples: (N,) their index columns, for the seeds of whatever is random; not needed where nothing is.

    Raises:
        ConfigError: weights without statistics; restarts or a random search without `samples`.

    Source: Nakka and Salzmann 2023, Algorithm 1; starts, bounds and verification: docs/attacks.md.
    """
    space, budget = space_of(name, pair.generator, pair.device, settings.budget_factor)
    optimiser = settings.optimiser_of(name)
    rule = Rule(settings.iterations, step_size, settings.threshold_mm, settings.objective, optimiser=optimiser)
    if samples is None and (settings.restarts > 1 or optimiser == "random"):
        raise ConfigError("Restarts and random search need the samples' index columns, for their seeds; give samples.")
    usable = admitted.usable()
    before = usable & (admitted.error_initial > settings.threshold_mm)
    standing = (usable & ~before).nonzero()[:, 0]

    x_start = space.coordinates(admitted.appearance)
    unattacked = [Outcome.PAST_BEFORE if past else Outcome.NOT_FINITE for past in before.tolist()]
    kept = Strongest(x_start, unattacked, admitted.error_initial)
    queries = np.zeros(len(usable), dtype=np.int64)
    for restart in range(settings.restarts):
        for piece in standing.split(settings.batch):
            some = [samples[place] for place in piece.tolist()] if samples is not None else []
            x = x_start[piece]
            if restart > 0:
                x = random_starts(x, some, name, budget, step_size, settings.seed, restart)
            canvas, given = take(admitted.canvas, piece), take(admitted.given, piece)
            slots = fill(x, admitted.clean_pose[piece], canvas, given=given)
            askers = [
                Asker(samples[place]["sample_id"] if samples is not None else str(place), restart, name)
                for place in piece.tolist()
            ]
            if optimiser == "random":
                random = [generator_of(settings.seed, one["sample_id"], restart, f"search {name}") for one in some]
                found = search(pair, pair.generator, slots, space, rule, budget, random)
                asked = [iterations + 1 for iterations in found.iterations.tolist()]
            else:
                found = ascend(pair, pair.generator, slots, space, rule, askers)
                asked = pair.queries.taken(askers) if pair.queries is not None else []
            if pair.queries is not None:
                queries[piece.cpu().numpy()] += np.array(asked, dtype=np.int64)
            kept.offer(piece, found, restart)
        standing = kept.standing(standing)
        if not len(standing):
            break

    x = kept.x
    appearance = torch.where(before[:, None], admitted.appearance, space.appearance(x))
    painted = reference_paint(pair, pair.generator, appearance, admitted.canvas)
    measured = effect(pair, admitted, painted, truth, crop_size(pair.generator, painted))
    verdicts = judged(measured, admitted.error_initial, settings.threshold_mm, Outcome.USED_UP)
    shift = (x - x_start).norm(dim=1)
    columns = {
        **measured.columns,
        **code_columns(pair.generator, admitted.appearance, appearance, pair.device),
        "appearance_shift": to_numpy(shift),
        **kept.columns(),
        **({"queries": queries} if pair.queries is not None else {}),
    }
    columns["error_best_mm"] = np.fmax(columns["error_best_mm"], columns["error_final_mm"])
    return Block(
        common={"attack": "appearance", "setting": name, "budget": budget, "objective": settings.objective},
        outcome=[settled(ended, verdict) for ended, verdict in zip(kept.outcome, verdicts, strict=True)],
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
