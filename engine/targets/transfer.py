"""What an attack that was made for one network does to another: attack a surrogate, then show its pictures around."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack.block import Block, judged
from turncoat.engine.attack.measure import Admitted, effect
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair, choose_device
from turncoat.engine.attack.pictures import resynthesise
from turncoat.engine.runs import Run
from turncoat.engine.runs.columns import INDEX_COLUMNS
from turncoat.kernels.errors import DataError
from turncoat.kernels.pose_error import mpjpe
from turncoat.training.data import Dataset
from turncoat.training.networks import needs_given

# What belongs to the attack on the surrogate and stays true, whoever looks at the picture.
KEPT = (
    "generator", "attack", "setting", "control", "restart", "objective", "start", "budget", "iterations",
    "appearance_mahalanobis", "appearance_mahalanobis_start", "appearance_shift_l2", "appearance_shift",
    "colour_shift_max", "colour_shift_l2", "appearance", "colours",
)  # fmt: skip


def transfer(
    run: Run,
    dataset: Dataset,
    generator: Any,
    target: Any,
    indices: Sequence[int] | np.ndarray | None = None,
    *,
    name: str = "transfer",
    batch: int = 64,
) -> list[dict[str, Any]]:
    """Show a run's attacked pictures to another target than the one that they were made for.

    Args:
        run: attacks on a surrogate, and their controls.
        dataset: the dataset that was attacked.
        generator: the network that painted the pictures; None is enough for attacks on colours.
        target: a `PoseTarget`; only predictions are asked for.
        indices: rows of `run.table()`; None: all that have a picture.
        name: of the target, for the rows.
        batch: pictures at once.

    Returns:
        rows as in a run (docs/runs.md), with the errors of `target` against its own clean predictions, on 8-bit frames;
        ground truth over the joints that it has. `target` is its name, `backend` "transfer"; what was done to the
        pictures is taken from the run, so `iterations` are those on the surrogate.

    Raises:
        DataError: no row has a picture, or one that was asked for has none.
    """
    table = run.table()
    if indices is None:
        codes = [table[column].is_valid().to_numpy(zero_copy_only=False) for column in ("appearance", "colours")]
        indices = np.flatnonzero(codes[0] | codes[1])
    if not len(indices):
        raise DataError(f"No row of {run.folder} holds a code, so there is no picture to show to {name!r}.")
    threshold = float(run.info["settings"]["threshold_mm"])
    device = choose_device("auto", target)
    pair = Pair(generator, target, (str(run.info.get("generator", {}).get("name")), name), device)
    found: list[dict[str, Any]] = []
    for at in range(0, len(indices), batch):
        some = [int(index) for index in indices[at : at + batch]]
        rows = table.take(some).to_pylist()
        pictures = resynthesise(run, dataset, generator, some)
        where = dataset.rows([row["sample_id"] for row in rows])
        given = pair.given(dataset, where)
        clean, synthesis = (pair.predict(pair.frames(part), given) for part in (pictures.clean, pictures.synthesis))
        admitted = Admitted(
            appearance=torch.zeros(len(rows), 1, device=device),
            canvas=None,
            clean_pose=clean,
            synthesis=torch.from_numpy(pictures.synthesis).to(device),
            synthesis_pose=synthesis,
            error_initial=mpjpe(synthesis, clean),
            given=given,
        )
        measured = effect(pair, admitted, pair.frames(pictures.attacked), _truth(dataset, where, device))
        outcome = judged(measured, admitted.error_initial, threshold, Outcome.BELOW)
        common = {"target": name, "backend": "transfer", "given": needs_given(target)}
        index = [_of_sample(row) for row in rows]
        found += Block(common, outcome, measured.columns).rows(index)
    return found


def _of_sample(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in (*INDEX_COLUMNS, *KEPT)}


def _truth(dataset: Dataset, rows: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(dataset.pose(rows)).to(device)
