"""Algorithm 1: change nothing but the appearance code, and watch the predicted pose move."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack.ascent import Ascended, Rule, ascend, reference_paint
from turncoat.engine.attack.block import Block, curves, judged, settled
from turncoat.engine.attack.measure import Admitted, Columns, admit, effect, to_numpy
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair, compute_in
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.attack.slots import fill, join, take
from turncoat.engine.attack.spaces import Raw, Space, Whitened
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


def space_of(name: str, generator: Any, device: torch.device) -> tuple[Space, float | None]:
    """The space in which the attack of that name walks, and its budget (None: unbounded).

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
    radius = float(statistics.radius_p99) if name == "natural" else None
    return Whitened(statistics, radius, device), radius


def attack_codes(
    pair: Pair, admitted: Admitted, name: str, step_size: float, settings: AttackSettings, truth: Tensor | None
) -> Block:
    """Run one appearance attack on admitted samples.

    What the steps found is judged again at the end, by the float32 error on the last 8-bit frame: the rule of controls.

    Args:
        pair: generator and target.
        admitted: N samples, from `admit_codes`.
        name: `paper`, `free` or `natural`.
        step_size: of Adam, in the coordinates of that attack.
        settings: threshold, iterations, objective, batch.
        truth: (N, J, 3) mm, or None.

    Source: Nakka and Salzmann 2023, Algorithm 1; starts, bounds and verification: docs/attacks.md.
    """
    space, budget = space_of(name, pair.generator, pair.device)
    rule = Rule(settings.iterations, step_size, settings.threshold_mm, settings.objective)
    usable = admitted.usable()
    before = usable & (admitted.error_initial > settings.threshold_mm)
    standing = (usable & ~before).nonzero()[:, 0]

    x_start = space.coordinates(admitted.appearance)
    x, outcome = x_start.clone(), [Outcome.PAST_BEFORE if past else Outcome.NOT_FINITE for past in before.tolist()]
    count = len(outcome)
    iterations, checks = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    confirmed: list[bool | None] = [None] * count
    error_best = to_numpy(admitted.error_initial).copy()
    curve: list[np.ndarray | None] = [None] * count
    for piece in standing.split(settings.batch):
        canvas, given = take(admitted.canvas, piece), take(admitted.given, piece)
        slots = fill(x_start[piece], admitted.clean_pose[piece], canvas, given=given)
        found = ascend(pair, pair.generator, slots, space, rule)
        x[piece] = found.x
        _spread(piece.tolist(), found, outcome, iterations, checks, confirmed, error_best, curve)

    appearance = torch.where(before[:, None], admitted.appearance, space.appearance(x))
    painted = reference_paint(pair, pair.generator, appearance, admitted.canvas)
    measured = effect(pair, admitted, painted, truth, crop_size(pair.generator, painted))
    verdicts = judged(measured, admitted.error_initial, settings.threshold_mm, Outcome.USED_UP)
    shift = (x - x_start).norm(dim=1)
    return Block(
        common={
            "attack": "appearance",
            "setting": name,
            "budget": budget,
            "start": "own",
            "objective": settings.objective,
        },
        outcome=[settled(ended, verdict) for ended, verdict in zip(outcome, verdicts, strict=True)],
        columns={
            **measured.columns,
            **code_columns(pair.generator, admitted.appearance, appearance, pair.device),
            "appearance_shift": to_numpy(shift),
            "iterations": iterations,
            "checks": checks,
            "confirmed_first": confirmed,
            "error_best_mm": np.fmax(error_best, measured.columns["error_final_mm"]),
            "error_curve_mm": curve,
        },
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


def _spread(
    where: list[int],
    found: Ascended,
    outcome: list[Outcome],
    iterations: np.ndarray,
    checks: np.ndarray,
    confirmed: list[bool | None],
    error_best: np.ndarray,
    curve: list[np.ndarray | None],
) -> None:
    """Write what became of some samples to their places among all."""
    iterations[where], checks[where] = to_numpy(found.iterations), to_numpy(found.checks)
    error_best[where] = np.maximum(error_best[where], to_numpy(found.best))
    for place, result, first, errors in zip(
        where, found.outcome, found.confirmed_first, curves(found.curve), strict=True
    ):
        outcome[place], confirmed[place], curve[place] = result, first, errors
