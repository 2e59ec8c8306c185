"""Controls of the appearance attack: what changes of the code do that nobody searched for.

A random direction as long as the attack's, another frame's code of the same subject, and the strongest of twenty other
subjects' codes. A success rate without them says little.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack.appearance import code_columns, crop_size, space_of
from turncoat.engine.attack.block import Block
from turncoat.engine.attack.goals import verdicts
from turncoat.engine.attack.identity import generator_of
from turncoat.engine.attack.measure import Admitted, Columns, draws_columns, effect, strongest_draw, to_numpy
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair, compute_in
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.attack.slots import take
from turncoat.engine.attack.verified import reference_paint
from turncoat.kernels.errors import DataError
from turncoat.kernels.pose_error import mpjpe
from turncoat.training.data import Dataset
from turncoat.training.networks import guided_by

RANDOM_DIRECTION, SAME_SUBJECT, OTHER_SUBJECTS = "random direction", "same subject", "other subjects"
POOL_FRAMES = 64  # frames of each subject that codes are drawn from
TRIES = 64  # directions among which one is looked for that ends inside the ball


@dataclass(frozen=True)
class CodePool:
    """Natural codes to draw from.

    Attributes:
        appearance: (P, 128).
        subject, sequence, sample_id: (P,) of the frames they come from.
    """

    appearance: Tensor
    subject: np.ndarray
    sequence: np.ndarray
    sample_id: np.ndarray

    def same_subject(self, sample: dict[str, Any]) -> np.ndarray:
        """Codes of other frames of the sample's subject; of other sequences, where there are any."""
        same = (self.subject == sample["subject"]) & (self.sample_id != sample["sample_id"])
        elsewhere = same & (self.sequence != sample["sequence"])
        return np.flatnonzero(elsewhere if elsewhere.any() else same)

    def other_subjects(self, sample: dict[str, Any]) -> np.ndarray:
        """Codes of frames of other subjects."""
        return np.flatnonzero(self.subject != sample["subject"])


def code_pool(pair: Pair, dataset: Dataset, subjects: Sequence[str], settings: AttackSettings) -> CodePool:
    """Encode up to 64 frames of every training subject and of each of `subjects`, chosen by the seed.

    A subject's frames come from the training split, or from all splits if it is not in that one.
    """
    split, subject, sample_id = (dataset.column(name) for name in ("split", "subject", "sample_id"))
    trained = split == "train"
    rows = []
    for name in sorted({*subject[trained].tolist(), *subjects}):
        of_subject = subject == name
        candidates = np.flatnonzero(of_subject & trained if (of_subject & trained).any() else of_subject)
        drawn = generator_of(settings.seed, name, 0, "code pool").permutation(len(candidates))[:POOL_FRAMES]
        rows.append(candidates[np.sort(drawn)])
    codes, kept = [], []
    chosen = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
    for at in range(0, len(chosen), settings.batch):
        pictures, valid, _ = dataset.read_valid(chosen[at : at + settings.batch])
        kept.append(valid)
        if not len(valid):
            continue
        with torch.no_grad(), compute_in(torch.float32, pair.generator):
            generator = guided_by(pair.generator, dataset, valid, pair.device)
            codes.append(generator.encode(pair.frames(pictures)).appearance)
    if not sum(map(len, kept)):
        raise DataError(
            f"None of the frames of {dataset.folder} that codes are drawn from can be read; render it again."
        )
    appearance, valid = torch.cat(codes), np.concatenate(kept)
    finite = appearance.isfinite().all(dim=1)
    valid = valid[finite.cpu().numpy()]
    return CodePool(appearance[finite], subject[valid], dataset.column("sequence")[valid], sample_id[valid])


def random_direction(
    pair: Pair,
    admitted: Admitted,
    attacked: Block,
    samples: Sequence[dict[str, Any]],
    settings: AttackSettings,
    truth: Tensor | None,
) -> Block:
    """As far from each sample's own code as the attack went, in a random direction of the attack's space.

    Where the space is a ball, the first of 64 directions that ends inside it counts. If none does, the one that ends
    nearest to the ball is turned inwards until it lies on its surface: the attack itself has been that far, so there
    is such a point, and the control never is the shorter one.
    """
    name = str(attacked.common["setting"])
    space, budget = space_of(name, pair.generator, pair.device, settings.budget_factor)
    start = space.coordinates(admitted.appearance)
    tries = TRIES if budget is not None else 1
    draws = np.stack(
        [
            generator_of(settings.seed, sample["sample_id"], 0, f"{RANDOM_DIRECTION} {name}").standard_normal(
                (tries, start.shape[1])
            )
            for sample in samples
        ]
    )
    assert attacked.x_shift is not None
    length = attacked.x_shift
    direction = torch.from_numpy(draws / np.linalg.norm(draws, axis=2, keepdims=True)).to(start)
    x = start + length[:, None] * (direction[:, 0] if budget is None else inward(start, length, direction, budget))
    appearance = torch.where(length[:, None] > 0, space.appearance(x), admitted.appearance)
    block = _block(pair, admitted, appearance, None, RANDOM_DIRECTION, name, budget, settings, truth)
    block.columns["appearance_shift"] = to_numpy((x - start).norm(dim=1))
    return block


def inward(start: Tensor, length: Tensor, directions: Tensor, radius: float) -> Tensor:
    """Directions (N, D), of length 1, in which a step of `length` ends in the ball around 0.

    Args:
        start: (N, D).
        length: (N,) such that there is a point of the ball at that distance from the start.
        directions: (N, K, D) of length 1; the first that fits is taken, else the most inward one, turned as needed.
        radius: of the ball.
    """
    norm = start.norm(dim=1).clamp(min=1e-6)  # (N,)
    outwards = start / norm[:, None]
    # |start + length u| <= radius means that the cosine of u to the outward direction is at most this
    reach = length.clamp(min=1e-6)
    limit = ((radius**2 - norm**2 - reach**2) / (2 * reach * norm)).clamp(-1, 1)
    cosine = (directions * outwards[:, None]).sum(dim=2)  # (N, K)
    fits = cosine <= limit[:, None]
    chosen = torch.where(fits.any(dim=1), fits.to(torch.uint8).argmax(dim=1), cosine.argmin(dim=1))
    each = torch.arange(len(start), device=start.device)
    direction, found = directions[each, chosen], cosine[each, chosen]
    sideways = torch.nn.functional.normalize(direction - found[:, None] * outwards, dim=1)
    turned = limit[:, None] * outwards + (1 - limit**2).clamp(min=0).sqrt()[:, None] * sideways
    return torch.where((found <= limit)[:, None], direction, turned)


def other_codes(
    pair: Pair,
    admitted: Admitted,
    pool: CodePool,
    samples: Sequence[dict[str, Any]],
    settings: AttackSettings,
    truth: Tensor | None,
) -> list[tuple[np.ndarray, Block]]:
    """Controls `same subject` (one code) and `other subjects` (the strongest of `settings.draws`).

    Returns:
        for each control (which samples it could be made for: positions, int64; its block over those).
    """
    found = []
    for control, draws in ((SAME_SUBJECT, 1), (OTHER_SUBJECTS, settings.draws)):
        choices, places = [], []
        for place, sample in enumerate(samples):
            candidates = pool.same_subject(sample) if control == SAME_SUBJECT else pool.other_subjects(sample)
            if len(candidates) == 0:
                continue
            random = generator_of(settings.seed, sample["sample_id"], 0, control)
            choices.append(random.choice(candidates, draws, replace=len(candidates) < draws))
            places.append(place)
        if not places:
            continue
        where = np.array(places)
        some: Admitted = take(admitted, torch.from_numpy(where).to(pair.device))
        codes = pool.appearance[torch.from_numpy(np.stack(choices)).to(pool.appearance.device)]  # (N, draws, 128)
        worn = (reference_paint(pair, pair.generator, codes[:, draw], some.canvas) for draw in range(draws))
        errors = torch.stack(
            [mpjpe(pair.predict(frames, some.given), some.clean_pose) for frames in worn]
        )  # (draws, N)
        picked = codes[torch.arange(len(codes), device=codes.device), strongest_draw(errors)]
        few = truth[torch.from_numpy(where).to(truth.device)] if truth is not None else None
        found.append((where, _block(pair, some, picked, errors, control, "codes", None, settings, few)))
    return found


def _block(
    pair: Pair,
    admitted: Admitted,
    appearance: Tensor,
    errors: Tensor | None,
    control: str,
    setting: str,
    budget: float | None,
    settings: AttackSettings,
    truth: Tensor | None,
) -> Block:
    """A control's rows: paint from `appearance`, measure, judge."""
    painted = reference_paint(pair, pair.generator, appearance, admitted.canvas)
    measured = effect(pair, admitted, painted, truth, crop_size(pair.generator, painted))
    columns: Columns = {
        **measured.columns,
        **code_columns(pair.generator, admitted.appearance, appearance, pair.device),
        **draws_columns(measured.error[None] if errors is None else errors, settings.threshold_mm),
        "iterations": np.zeros(len(appearance), dtype=np.int64),
        "error_best_mm": measured.columns["error_final_mm"],
    }
    outcome, about_goal = verdicts(measured, admitted, setting, settings, Outcome.BELOW)
    columns |= about_goal
    common = {
        "attack": "control",
        "setting": setting,
        "control": control,
        "budget": budget,
        "objective": settings.objective,
    }
    return Block(common, outcome, columns, appearance)
