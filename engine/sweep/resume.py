"""Going on with a run from what its run.json says, without the command that began it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.runs import Run, open_run
from turncoat.engine.sweep.networks import open_network
from turncoat.engine.sweep.plan import DEFAULT_FRAMES, MINIMUM_GAP_S, Selection, facts_of
from turncoat.engine.sweep.progress import Progress
from turncoat.engine.sweep.run import attack_dataset
from turncoat.engine.sweep.shards import Shard
from turncoat.engine.targets import is_description, load_target
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.checkpoint import shipped_weights
from turncoat.training.data import Dataset, open_dataset, reopen_pictures


def resume_run(
    folder: str | Path,
    *,
    data: str | Path | None = None,
    device: str | None = None,
    workers: int = 1,
    ray: str | None = None,
    progress: Progress | None = None,
    command: str | None = None,
) -> Run:
    """Do the parts that a run lacks; one that lacks none stays as it is.

    Settings, networks, frames and shard are those of run.json. Weights are found by the path that they had, or, if they
    are shipped ones, by name; where their hash has changed the run is refused.

    Args:
        folder: of the run.
        data: the dataset's folder, where it has moved.
        device: where to compute, if not where it was.
        workers, ray, progress, command: as in `attack_dataset`.

    Raises:
        DataError: the folder is no run, weights or dataset are not where they were.
        ConfigError: weights or dataset have changed, or the run was made from networks that lie in no file.
    """
    run = open_run(folder)
    info = run.info
    if "settings" not in info or "generator" not in info:
        raise ConfigError(f"{folder} does not say how it was made; attack again into another folder.")
    if "merged" in info:
        raise ConfigError(f"{folder} was merged from shards; merge them again.")
    settings = AttackSettings.load(None, {**info["settings"], "judge": info["settings"].get("judge") or "none"})
    if device is not None:
        settings = settings.model_copy(update={"device": device})
    facts = info["dataset"]
    if "picture_size" in facts:
        dataset: Dataset = reopen_pictures(facts, folder=data)
    else:
        dataset = open_dataset(data or _there(facts["folder"]))
    itself = info["target"] == info["generator"]
    return attack_dataset(
        _network(info["generator"], "generator"),
        dataset,
        settings,
        run.folder,
        target=None if itself else _network(info["target"], "target"),
        judge=_network(info["judge"], "judge") if info.get("judge") else None,
        selection=_selection(info["selection"], dataset, settings.seed),
        resume=True,
        shard=Shard(**info["shard"]) if info.get("shard") else None,
        workers=workers,
        ray=ray,
        progress=progress,
        command=command or info.get("command"),
    )


def _there(folder: str) -> str:
    if not Path(folder).is_dir():
        raise DataError(f"The dataset of the run was at {folder} and is not there now; say where it is with --data.")
    return folder


def _network(facts: Mapping[str, Any], role: str) -> Any:
    """The network that run.json describes, from its file."""
    path, name = facts.get("path"), facts.get("name")
    if path is None:
        raise ConfigError(
            f"The {role} of the run, {name!r}, came from no file, so it cannot be found again; call attack_dataset "
            "with it and resume=True."
        )
    if not Path(path).exists() and name in shipped_weights():
        path = name
    network = load_target(path) if is_description(path) else open_network(path)
    if network.weights_hash != facts.get("weights_hash"):
        raise ConfigError(
            f"The weights of the {role} at {path} have changed since the run began (sha256 "
            f"{str(facts.get('weights_hash'))[:12]}, now {network.weights_hash[:12]}); put the old ones back, or "
            "attack again into another folder."
        )
    return network


def _selection(facts: Mapping[str, Any], dataset: Dataset, seed: int) -> Selection:
    """The selection that gave these frames: of all subjects, if that gives them, else of those that are in them."""
    common: dict[str, Any] = {
        "split": facts["split"],
        "groups": tuple(facts["groups"]),
        "per_subject": facts["per_subject"],
        "at_most": facts.get("at_most", DEFAULT_FRAMES),
        "minimum_gap_s": facts.get("minimum_gap_s", MINIMUM_GAP_S),
    }
    whole = Selection(**common)
    try:
        ids = dataset.column("sample_id")[whole.rows(dataset, seed)].tolist()
        if facts_of(ids)["sample_ids_hash"] == facts["sample_ids_hash"]:
            return whole
    except DataError:
        pass
    return Selection(**common, subjects=tuple(facts["subjects"]))
