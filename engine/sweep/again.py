"""Runs that are found again: the folder's name says what decides a run's rows, so another run lies elsewhere."""

import hashlib
import json
from pathlib import Path
from typing import Any

from turncoat.engine.attack.pair import choose_device
from turncoat.engine.attack.settings import AUTO, AttackSettings
from turncoat.engine.runs import Run, open_run
from turncoat.engine.sweep.networks import JUDGE
from turncoat.engine.sweep.plan import Selection
from turncoat.kernels.device import choose_precision
from turncoat.kernels.errors import DataError
from turncoat.kernels.files import content_hash
from turncoat.kernels.version import VERSION
from turncoat.training.checkpoint import shipped_weights
from turncoat.training.data import Dataset


def place_of_run(
    folder: str | Path, network: Any, dataset: Dataset, settings: AttackSettings, selection: Selection
) -> Path:
    """``folder/run-XXXXXXXX`` for an attack on `network` by itself; device and batch, which decide nothing, are out."""
    decides = [
        VERSION,
        settings.model_dump(mode="json", exclude={"device", "batch", "look_every", "precision"}),
        choose_precision(settings.precision, choose_device(settings.device, network)),
        vars(selection),
        dataset.info.get("fingerprint"),
        getattr(network, "weights_hash", ""),
        _judge(settings),
    ]
    key = hashlib.sha256(json.dumps(decides, sort_keys=True, default=list).encode()).hexdigest()[:8]
    return Path(folder) / f"run-{key}"


def finished_run(place: Path) -> Run | None:
    """The run in a folder, if it is one and finished."""
    try:
        run = open_run(place)
    except DataError:
        return None
    return run if run.complete else None


def _judge(settings: AttackSettings) -> str | None:
    """Which judge looks on: what the settings name, or the hash of the shipped one; None if there is none."""
    if settings.judge != AUTO:
        return settings.judge
    shipped = shipped_weights().get(JUDGE)
    return None if shipped is None else content_hash(shipped)
