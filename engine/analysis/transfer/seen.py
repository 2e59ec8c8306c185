"""Cross evaluation: attacked frames, painted again from their stored codes, looked at by another network.

What a network saw of a run is one Parquet file, so that nothing is looked at twice.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from turncoat.engine.attack.controls import RANDOM_DIRECTION
from turncoat.engine.attack.joints import joints_of
from turncoat.engine.attack.outcomes import ATTACKED
from turncoat.engine.attack.pair import choose_device, compute_in, from_bytes
from turncoat.engine.attack.pictures import resynthesise
from turncoat.engine.runs import Run
from turncoat.kernels.device import exact_float32
from turncoat.kernels.files import atomic_path
from turncoat.kernels.pose_error import mpjpe, n_mpjpe, pa_mpjpe
from turncoat.training.data import Dataset
from turncoat.training.networks import guided_by

ERRORS = {"error_mm": mpjpe, "error_n_mm": n_mpjpe, "error_pa_mm": pa_mpjpe}
"""What is measured, between the looking network's predictions on the attacked and on the clean frame."""
BATCH = 64
_SCHEMA = pa.schema(
    {"sample_id": pa.string(), "setting": pa.string(), "control": pa.string(), **dict.fromkeys(ERRORS, pa.float64())}
)
_KEY = b"turncoat"
_SPEED = ("batch", "device")


@exact_float32()
def look(
    run: Run,
    generator: Any,
    onlookers: dict[str, Any],
    own: dict[str, Run],
    data: Dataset,
    folder: Path,
    advance: Callable[[int], None] | None = None,
) -> dict[str, pa.Table]:
    """What each of `onlookers` sees of the attacked frames of `run`, and of its random directions.

    Args:
        run: attacks that `generator` painted, for any target.
        generator: as it was when they were made.
        onlookers: `PoseTarget`s by name.
        own: of every onlooker the run of the same generator and frames that attacks it: its clean predictions.
        data: the dataset that was attacked.
        folder: NAME.parquet of every onlooker is kept there.
        advance: called with 1 for every onlooker that is done.

    Returns:
        for every onlooker a table (sample_id, setting, control, `ERRORS`): a row for each that was really attacked,
        by the float32 network on the 8-bit frame, as verification is.

    Raises:
        DataError: frames or runs cannot be read.
    """
    found: dict[str, pa.Table] = {}
    for name in onlookers:
        key = _key(run, own[name])
        there = _kept(folder / f"{name}.parquet", key)
        if there is not None:
            found[name] = there
            if advance is not None:
                advance(1)
    missing = {name: network for name, network in onlookers.items() if name not in found}
    if missing:
        clean = {name: _clean_poses(own[name]) for name in missing}
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in missing}
        indices = np.concatenate(
            [run.select(attack="appearance"), run.select(attack="control", control=RANDOM_DIRECTION)]
        )
        attacked = {outcome.value for outcome in ATTACKED}
        for at in range(0, len(indices), BATCH):
            some = run.table().take(indices[at : at + BATCH]).select(["sample_id", "setting", "control", "outcome"])
            keep = [n for n, row in enumerate(some.to_pylist()) if row["outcome"] in attacked]
            if not keep:
                continue
            pictures = resynthesise(run, data, generator, indices[at : at + BATCH][keep]).attacked
            records = some.take(keep).select(["sample_id", "setting", "control"]).to_pylist()
            where = data.rows([record["sample_id"] for record in records])
            for name, network in missing.items():
                rows[name] += _seen(network, pictures, data, where, records, clean[name])
        for name in missing:
            table = pa.Table.from_pylist(rows[name], schema=_SCHEMA)
            _keep(folder / f"{name}.parquet", table, _key(run, own[name]))
            found[name] = table
            if advance is not None:
                advance(1)
    return {name: found[name] for name in onlookers}


def _seen(
    network: Any,
    pictures: np.ndarray,
    data: Dataset,
    where: np.ndarray,
    records: list[dict[str, Any]],
    clean: dict[str, np.ndarray],
) -> list[dict[str, Any]]:
    """Rows of one network and some frames uint8 (N, 3, H, W); frames it could not read unattacked are left out."""
    device = choose_device("auto", network)
    with torch.no_grad(), compute_in(torch.float32, network):
        seen = guided_by(network, data, where, device)
        poses = seen.predict(from_bytes(torch.from_numpy(pictures).to(device))).float()
    known = [n for n, record in enumerate(records) if record["sample_id"] in clean]
    if not known:
        return []
    reference = np.stack([clean[records[n]["sample_id"]] for n in known]).reshape(len(known), -1, 3)
    against = torch.from_numpy(reference[:, list(joints_of(network))]).to(device)
    errors = {name: measure(poses[known], against).tolist() for name, measure in ERRORS.items()}
    return [{**records[n], **{name: errors[name][place] for name in ERRORS}} for place, n in enumerate(known)]


def _clean_poses(run: Run) -> dict[str, np.ndarray]:
    """sample_id -> the target's clean prediction (if any), float32 (3 * 17,) mm, NaN where it has no joint."""
    rows = run.rows(attack="appearance")
    return {
        sample: pose
        for sample, pose in zip(rows["sample_id"].tolist(), rows["pose_clean"].tolist(), strict=True)
        if pose is not None
    }


def _key(run: Run, own: Run) -> str:
    """What a file of looks belongs to: the attacks, their frames, and who looks."""
    settings = {name: value for name, value in run.info["settings"].items() if name not in _SPEED}
    hashes = [run.info["generator"]["weights_hash"], run.info["target"]["weights_hash"],
              own.info["target"]["weights_hash"]]  # fmt: skip
    decides = [settings, hashes, run.info["selection"]["sample_ids_hash"], run.info["dataset"]["fingerprint"],
               run.info["created"], own.info["created"]]  # fmt: skip
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def _kept(file: Path, key: str) -> pa.Table | None:
    """The table in `file`, if it was written for this `key`."""
    if not file.is_file():
        return None
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowException):
        return None  # damaged: looked at again
    return table if (table.schema.metadata or {}).get(_KEY) == key.encode() else None


def _keep(file: Path, table: pa.Table, key: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(file) as temporary:
        pq.write_table(table.replace_schema_metadata({_KEY: key.encode()}), temporary, compression="zstd")
