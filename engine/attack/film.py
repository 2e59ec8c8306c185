"""One attack over its iterations: what the picture and the predicted pose were on the way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack.appearance import admit_codes, attack_codes
from turncoat.engine.attack.joints import on_all_joints
from turncoat.engine.attack.pair import Pair, compute_in, from_bytes, to_bytes
from turncoat.engine.attack.settings import AttackSettings, is_appearance, is_smallest, is_towards
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.data import Dataset

MOMENTS = 24
"""At most about so many are kept: the first steps, where most happens, one by one, later ones further apart."""


@dataclass(frozen=True)
class Moment:
    """The attack after so many iterations.

    iteration: 0 is the unattacked repainting. frame: uint8 (H, W, 3). pose: (17, 3) mm, NaN where the target has no
    joint. error_mm: MPJPE to the clean prediction, on that 8-bit frame.
    """

    iteration: int
    frame: np.ndarray
    pose: np.ndarray
    error_mm: float


@dataclass(frozen=True)
class Film:
    """A frame and its attack.

    clean: uint8 (H, W, 3). pose_clean: (17, 3) mm, the reference. truth: (17, 3) mm, or None. moments: rising.
    """

    clean: np.ndarray
    pose_clean: np.ndarray
    truth: np.ndarray | None
    moments: tuple[Moment, ...]


def film_attack(
    pair: Pair, dataset: Dataset, sample: Mapping[str, Any], name: str, step_size: float, settings: AttackSettings
) -> Film:
    """Attack one sample again, in float32, as far as its row says it went, and look at it on the way.

    An attack of k iterations is the first part of a longer one, so each moment is an attack of its own, as long as that
    moment is late.

    Args:
        pair: generator and target.
        sample: its row: `sample_id`, `iterations`.
        name: of an attack on appearance codes that one start is enough for.
        step_size, settings: of the run.

    Raises:
        ConfigError: restarts, or a search without gradients, which have no one way that they went.
        DataError: the frame cannot be read, or its repainting was past the threshold before the attack.
    """
    if settings.restarts > 1 or settings.optimiser_of(name) == "random":
        raise ConfigError(
            f"{name} was searched for from several starts, so there is no one way to show; show an attack with one."
        )
    if not is_appearance(name) or is_smallest(name) or is_towards(name):
        raise ConfigError(f"{name} has no steps to show; choose paper, free, natural or a budget of codes.")
    where = dataset.rows([sample["sample_id"]])
    clean = dataset.read(where)
    frames, background = (
        from_bytes(torch.from_numpy(np.ascontiguousarray(pictures)).to(pair.device))
        for pictures in (clean, dataset.background(where))
    )
    admitted = admit_codes(pair, frames, background, pair.given(dataset, where))
    if float(admitted.error_initial[0]) > settings.threshold_mm:
        raise DataError(
            f"The repainting of {sample['sample_id']} is {float(admitted.error_initial[0]):.0f} mm off before any "
            "attack; choose another sample."
        )
    truth = dataset.pose(where)[0] if dataset.has_labels else None
    last = max(1, int(sample["iterations"] or settings.iterations))
    exact = settings.model_copy(update={"precision": "float32", "backend": "torch", "judge": None})
    synthesis, initial = admitted.synthesis[0].cpu().numpy(), _on_all(pair, admitted.synthesis_pose)
    moments = [Moment(0, _upright(synthesis), initial, float(admitted.error_initial[0]))]
    for iteration in iterations_shown(last):
        so_far = exact.model_copy(update={"iterations": iteration, "budget_iterations": iteration})
        block = attack_codes(pair, admitted, name, step_size, so_far, None, [{"sample_id": sample["sample_id"]}])
        row = block.rows([dict(sample)])[0]
        with torch.no_grad(), compute_in(torch.float32, pair.generator):
            code = torch.tensor([row["appearance"]], dtype=torch.float32, device=pair.device)
            frame = to_bytes(pair.generator.paint(code, admitted.canvas))[0].cpu().numpy()
        pose = np.reshape(np.asarray(row["pose_attacked"], np.float32), (17, 3))
        moments.append(Moment(int(row["iterations"]), _upright(frame), pose, float(row["error_verified_mm"])))
        if int(row["iterations"]) < iteration:
            break  # fooled on the way
    return Film(_upright(clean[0]), _on_all(pair, admitted.clean_pose), truth, tuple(moments))


def iterations_shown(last: int, most: int = MOMENTS) -> list[int]:
    """Iterations 1 to `last`, rising: all where they are few, else the first ones and then ever wider steps."""
    if last <= most:
        return list(range(1, last + 1))
    return sorted({round(float(step)) for step in np.geomspace(1, last, most)})


def _on_all(pair: Pair, poses: Tensor) -> np.ndarray:
    """The first pose, (17, 3) mm, NaN where the target has no joint."""
    found: np.ndarray = on_all_joints(pair.target, poses)[0].cpu().numpy()
    return found


def _upright(picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(picture, 0, -1))
