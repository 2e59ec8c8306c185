"""The columns of a row of results. Add to them; never rename one, for old runs stay readable."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

_FLOATS = pa.list_(pa.float32())

# What the dataset knows about a sample; unknown ones are null.
INDEX_COLUMNS: dict[str, pa.DataType] = {
    "sample_id": pa.string(),
    "sequence": pa.string(),
    "instant": pa.int64(),
    "camera": pa.int64(),
    "scene": pa.string(),
    "subject": pa.string(),
    "body": pa.string(),
    "wardrobe": pa.string(),
    "action": pa.string(),
    "group": pa.string(),
    "motion_id": pa.string(),
    "motion_time_s": pa.float64(),
    "mirrored": pa.bool_(),
    "time_s": pa.float64(),
    "split": pa.string(),
}

# Which attack it was.
IDENTITY_COLUMNS: dict[str, pa.DataType] = {
    "generator": pa.string(),
    "target": pa.string(),
    "attack": pa.string(),  # appearance, colours, pixels or control
    "setting": pa.string(),  # paper, free, natural, towards, colours-0.1 ...; codes, colours: controls of any budget
    "control": pa.string(),  # null unless attack is control
    "restart": pa.int64(),  # the start that won; 0 is the own code
    "backend": pa.string(),
    "given": pa.bool_(),  # generator or target was told where the person is
    "objective": pa.string(),
    "start": pa.string(),  # own, random draw
    "budget": pa.float64(),  # null: unbounded
}

# What came of it. Millimetres unless the name says otherwise; docs/runs.md explains each.
RESULT_COLUMNS: dict[str, pa.DataType] = {
    "outcome": pa.string(),
    "iterations": pa.int64(),
    "error_initial_mm": pa.float64(),
    "error_final_mm": pa.float64(),
    "error_best_mm": pa.float64(),
    "error_verified_mm": pa.float64(),
    "error_n_mm": pa.float64(),
    "error_pa_mm": pa.float64(),
    "error_from_synthesis_mm": pa.float64(),
    "error_goal_initial_mm": pa.float64(),  # null unless driven towards a pose
    "error_goal_mm": pa.float64(),
    "error_gt_clean_mm": pa.float64(),
    "error_gt_attacked_mm": pa.float64(),
    "judge_error_initial_mm": pa.float64(),  # null without a judge
    "judge_error_mm": pa.float64(),
    "bone_ratio_p5": pa.float64(),
    "bone_ratio_p95": pa.float64(),
    "yaw_deg": pa.float64(),
    "appearance_mahalanobis": pa.float64(),
    "appearance_mahalanobis_start": pa.float64(),
    "appearance_shift_l2": pa.float64(),
    "appearance_shift": pa.float64(),  # in the coordinates that the attack walks in
    "appearance_shift_low": pa.float64(),  # null unless the smallest shift was looked for
    "colour_shift_max": pa.float64(),
    "colour_shift_l2": pa.float64(),
    "psnr_db": pa.float64(),
    "ssim": pa.float64(),
    "mse_mean": pa.float64(),
    "mse_sum": pa.float64(),
    "psnr_crop_db": pa.float64(),
    "ssim_crop": pa.float64(),
    "mse_mean_crop": pa.float64(),
    "draws": pa.int64(),
    "draws_mean_mm": pa.float64(),
    "draws_past": pa.float64(),
    "checks": pa.int64(),
    "confirmed_first": pa.bool_(),
    "queries": pa.int64(),  # predictions that estimates of gradients asked for; null where there were gradients
    "appearance": _FLOATS,
    "colours": _FLOATS,
    "pose_clean": _FLOATS,
    "pose_synthesis": _FLOATS,
    "pose_attacked": _FLOATS,
    "error_curve_mm": _FLOATS,
    "error_goal_curve_mm": _FLOATS,
}

COLUMNS = pa.schema({**INDEX_COLUMNS, **IDENTITY_COLUMNS, **RESULT_COLUMNS})


def as_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows (columns left out are null, and so are NaN numbers and empty texts) as a table of the run's schema.

    Raises:
        KeyError: a row holds a column that the schema does not have.
    """
    for row in rows:
        unknown = set(row) - set(COLUMNS.names)
        if unknown:
            raise KeyError(f"unknown result columns {sorted(unknown)}")
    return pa.table(
        {
            name: pa.array([_plain(row.get(name)) for row in rows], type=COLUMNS.field(name).type)
            for name in COLUMNS.names
        },
        schema=COLUMNS,
    )


def _plain(value: Any) -> Any:
    """A value that Arrow takes as it is: Python scalars, flat float32 arrays, None for what is not a number."""
    if isinstance(value, np.ndarray):
        return value.astype(np.float32).ravel()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return None if value == "" else value
