"""The columns of a row: what an attacked frame does to the prediction, in every unit that is reported."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from turncoat.engine.attack.joints import on_all_joints, ratios_of_bones, truth_for
from turncoat.engine.attack.pair import Pair, from_bytes, to_bytes
from turncoat.engine.attack.similarity import crop_similarity, similarity
from turncoat.engine.attack.verified import reference_paint
from turncoat.kernels.pose_error import mpjpe, n_mpjpe, pa_mpjpe, procrustes, yaw_deg
from turncoat.training.networks import Given

Columns = dict[str, Any]
"""Column name -> one value a sample: an array or a list."""


class Admitted(NamedTuple):
    """N samples that an attack can begin on; computed once, in float32. All batch first."""

    appearance: Tensor  # what the painter paints from: (N, 128) codes, or (N, G, 3) colours of garments
    canvas: Any  # what the painter keeps
    clean_pose: Tensor  # (N, J, 3) mm, the target on the clean frame: Algorithm 1's q
    synthesis: Tensor  # (N, 3, H, W) uint8, the unattacked repainting
    synthesis_pose: Tensor  # (N, J, 3) mm, the target on it before rounding
    error_initial: Tensor  # (N,) mm, between the two
    box: Tensor | None = None  # (N, 4) the generator's crop
    given: Given | None = None  # where the people are, for networks that are told
    judged_clean: Tensor | None = None  # (N, J, 3) mm, the judge on the clean frame
    judge_initial: Tensor | None = None  # (N,) mm, between that and the judge on the 8-bit synthesis
    goal: Tensor | None = None  # (N, J, 3) mm, the pose that attacks towards one drive to

    def usable(self) -> Tensor:
        """(N,) bool: codes and poses are finite."""
        return self.appearance.flatten(1).isfinite().all(dim=1) & self.error_initial.isfinite()


class Effect(NamedTuple):
    """What a batch of attacked frames does, measured in float32."""

    error: Tensor  # (N,) mm, before rounding
    verified: Tensor  # (N,) mm, on the 8-bit frames
    columns: Columns


def admit(
    pair: Pair,
    painter: Any,
    appearance: Tensor,
    canvas: Any,
    clean: Tensor,
    box: Tensor | None = None,
    given: Given | None = None,
    clean_pose: Tensor | None = None,
) -> Admitted:
    """Predict on clean frames (N, 3, H, W) and on their unattacked repainting; Algorithm 1, lines 2 to 5.

    clean_pose: what the target predicts on the clean frames, (N, J, 3) mm, where it is known already.
    """
    clean_pose = pair.predict(clean, given) if clean_pose is None else clean_pose
    synthesis = reference_paint(pair, painter, appearance, canvas)
    pose, rounded = pair.predict(synthesis, given), to_bytes(synthesis)
    judged_clean, judged = pair.judged(clean, given), pair.judged(from_bytes(rounded), given)
    judge_initial = mpjpe(judged, judged_clean) if judged is not None and judged_clean is not None else None
    error = mpjpe(pose, clean_pose)
    return Admitted(appearance, canvas, clean_pose, rounded, pose, error, box, given, judged_clean, judge_initial)


def effect(pair: Pair, admitted: Admitted, attacked: Tensor, truth: Tensor | None, crop_size: int = 0) -> Effect:
    """Measure attacked frames against the clean predictions, the synthesis and the truth.

    Args:
        pair: whose target predicts.
        admitted: the N samples.
        attacked: (N, 3, H, W) in [0, 1], before rounding.
        truth: (N, 17, 3) mm, or None; compared over the joints that the target has, relative to its root.
        crop_size: side of the crop in the crop metrics, pixels; needed where the admitted samples have a box.

    Poses, N- and PA-MPJPE, bones, yaw, pictures and what the judge sees belong to the 8-bit frame: what a camera or a
    file would hold.
    """
    clean = admitted.clean_pose
    error = mpjpe(pair.predict(attacked, admitted.given), clean)
    rounded = to_bytes(attacked)
    pose = pair.predict(from_bytes(rounded), admitted.given)
    verified = mpjpe(pose, clean)
    ratios = ratios_of_bones(pair.target, pose, clean)
    bones: Columns = {}
    if ratios is not None:
        bones["bone_ratio_p5"], bones["bone_ratio_p95"] = _percentiles(ratios, (0.05, 0.95))
    columns: Columns = {
        "error_initial_mm": admitted.error_initial,
        "error_final_mm": error,
        "error_verified_mm": verified,
        "error_n_mm": n_mpjpe(pose, clean),
        "error_pa_mm": pa_mpjpe(pose, clean),
        "error_from_synthesis_mm": mpjpe(pose, admitted.synthesis_pose),
        **bones,
        "yaw_deg": yaw_deg(procrustes(pose, clean)[2]),
        "pose_clean": on_all_joints(pair.target, clean),
        "pose_synthesis": on_all_joints(pair.target, admitted.synthesis_pose),
        "pose_attacked": on_all_joints(pair.target, pose),
        **similarity(rounded, admitted.synthesis),
    }
    if admitted.box is not None:
        columns |= crop_similarity(rounded, admitted.synthesis, admitted.box, crop_size)
    judged = pair.judged(from_bytes(rounded), admitted.given)
    if judged is not None and admitted.judged_clean is not None:
        columns["judge_error_initial_mm"] = admitted.judge_initial
        columns["judge_error_mm"] = mpjpe(judged, admitted.judged_clean)
    if truth is not None:
        truth = truth_for(pair.target, truth)
        columns |= {"error_gt_clean_mm": mpjpe(clean, truth), "error_gt_attacked_mm": mpjpe(pose, truth)}
    return Effect(error, verified, {name: to_numpy(value) for name, value in columns.items()})


def to_numpy(value: Any) -> Any:
    """Tensors as arrays on the host; anything else as it is."""
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else value


def draws_columns(errors: Tensor, threshold_mm: float) -> Columns:
    """Columns about a control's draws; errors (K, N) mm of K draws for N samples, NaN where a sample has fewer."""
    tried = ~errors.isnan()
    draws = tried.sum(dim=0)
    return {
        "draws": to_numpy(draws),
        "draws_mean_mm": to_numpy(errors.nanmean(dim=0)),
        "draws_past": to_numpy((errors > threshold_mm).sum(dim=0) / draws),
    }


def strongest_draw(errors: Tensor) -> Tensor:
    """Index of each sample's largest error, (K, N) -> (N,); NaN never wins."""
    return errors.nan_to_num(nan=-1.0).argmax(dim=0)


def _percentiles(values: Tensor, at: tuple[float, ...]) -> Tensor:
    """Percentiles of each row, (B, K) -> (len(at), B); NaN where a row holds one, infinity among the largest."""
    return torch.quantile(values, torch.tensor(at, dtype=values.dtype, device=values.device), dim=1)
