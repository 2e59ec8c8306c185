"""Attacking several networks on the same frames: one run folder each, used again where it is there already."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from turncoat.engine.analysis.apart import in_processes, say
from turncoat.engine.analysis.members import in_order
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.runs import Run, open_run
from turncoat.engine.sweep import Selection, attack_dataset
from turncoat.engine.sweep.networks import find_judge, pair_of
from turncoat.kernels.errors import ConfigError, DataError, EngineError
from turncoat.training.checkpoint import Network, find_weights, load_network, shipped_weights, weights_name
from turncoat.training.data import Dataset, open_dataset

SETTINGS = AttackSettings(attacks=("paper", "natural"), precision="auto")
"""Of the tables: Algorithm 1 to the letter, and what networks are compared by."""
SELECTION = Selection(groups=("everyday",), at_most=80, minimum_gap_s=0.35)
"""Of the tables: 80 frames of every training subject, 400 of five. Instants of the built-in data lie .4 s apart, so
.35 s takes neighbours of a sequence too, which half a second does not (50 a subject); intervals draw whole ones."""

Notify = Callable[[str, Run, bool], None]
How = tuple[AttackSettings, Selection, str | None]
"""Settings, selection, command line to record."""


def attack_family(
    networks: Sequence[str | Path],
    data: Dataset | str | Path | None,
    out: str | Path,
    settings: AttackSettings = SETTINGS,
    selection: Selection = SELECTION,
    *,
    progress: Callable[..., None] | None = None,
    notify: Notify | None = None,
    command: str | None = None,
    workers: int = 1,
) -> list[Run]:
    """Attack every network on the same frames; its run lies in ``OUT/runs/NAME``.

    A finished run of the same weights, dataset, frames and settings is used again, a killed one is gone on with.

    Args:
        networks: shipped names, files of weights, or folders of finished runs, which are taken as they are.
        data: the dataset, open or its folder; None: all of `networks` are runs.
        out: folder of all runs.
        settings, selection: of the attacks.
        progress: called as ``progress(done, total, network=name)``; counts samples, once for every attack on them.
        notify: called as ``notify(name, run, cached)`` when a run is there.
        command: command line to record.
        workers: processes that attack, a network each at a time, with their share of the threads.

    Returns:
        runs, in the order of `networks`.

    Raises:
        ConfigError: two networks of one name, one that cannot be attacked, or a run in `out` that is another one.
        DataError: weights, runs or the dataset cannot be read.
        EngineError: a process died.
    """
    sources = [source if is_run(source) else find_weights(source) for source in networks]
    weights = [source for source in sources if not is_run(source)]
    names = [weights_name(source) for source in weights]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"Two of the networks are called {name!r}; rename the weights of one.")
    if weights and data is None:
        raise ConfigError(f"{weights[0]} is yet to be attacked, which needs a dataset; give its folder with --data.")
    for source in weights:  # all bad input is found before the first attack
        if reason := unattackable(load_network(source)):
            raise ConfigError(f"{source} {reason}")
    made: dict[str | Path, Run] = {}
    if weights and data is not None:
        dataset = data if isinstance(data, Dataset) else open_dataset(data)
        frames = selection.facts(dataset, selection.rows(dataset, settings.seed))["sample_ids_hash"]
        places = {source: Path(out) / "runs" / name for source, name in zip(weights, names, strict=True)}
        for source, place in places.items():
            if run := _finished(place, load_network(source), dataset, settings, frames):
                made[source] = run
                if notify is not None:
                    notify(place.name, run, True)
        left = {source: place for source, place in places.items() if source not in made}
        how = (settings, selection, command)
        if workers > 1 and len(left) > 1:
            made |= _attack_apart(left, dataset, how, workers, len(made), progress, notify)
        else:
            made |= _attack_in_turn(left, dataset, how, len(made), progress, notify)
    return [made[source] if source in made else open_run(source) for source in sources]


def _attack_in_turn(
    places: Mapping[str | Path, Path],
    data: Dataset,
    how: How,
    there: int,
    progress: Callable[..., None] | None,
    notify: Notify | None,
) -> dict[str | Path, Run]:
    made: dict[str | Path, Run] = {}
    for source, place in places.items():
        share = None if progress is None else _share(progress, there + len(made), there + len(places), place.name)
        made[source] = _attacked(source, data, how, place, share)
        if notify is not None:
            notify(place.name, made[source], False)
    return made


def _attack_apart(
    places: Mapping[str | Path, Path],
    data: Dataset,
    how: How,
    workers: int,
    there: int,
    progress: Callable[..., None] | None,
    notify: Notify | None,
) -> dict[str | Path, Run]:
    """The same in several processes."""
    counts: dict[str, int] = {}
    by_name = {place.name: place for place in places.values()}

    def heard(name: str, done: int | None, total: int, facts: dict[str, Any]) -> None:
        if done is None:
            if notify is not None:
                notify(name, open_run(by_name[name]), False)
        elif progress is not None:
            counts[name] = done
            progress(there * total + sum(counts.values()), (there + len(places)) * total, network=name, **facts)

    try:
        in_processes(_attack_one, [(source, data, how, place) for source, place in places.items()], workers, heard)
    except BrokenProcessPool as error:
        raise EngineError(
            "A process that attacked a network died; there may be too little memory for so many: give fewer --workers. "
            "What was finished is kept, and the same command goes on."
        ) from error
    return {source: open_run(place) for source, place in places.items()}


def _attack_one(source: str | Path, data: Dataset, how: How, place: Path) -> None:
    """One network, in a worker."""

    def tell(done: int, total: int, **facts: Any) -> None:
        say(place.name, done, total, facts)

    _attacked(source, data, how, place, tell)
    say(place.name, None, 0, {})


def _attacked(source: str | Path, data: Dataset, how: How, place: Path, progress: Callable[..., None] | None) -> Run:
    settings, selection, command = how
    network = load_network(source)
    return attack_dataset(network, data, settings, place, selection=selection, resume=True, progress=progress,
                          command=command)  # fmt: skip


def runs_of_pair(
    a: str | Path,
    b: str | Path,
    data: str | Path | None,
    out: str | Path,
    attacks: tuple[str, ...],
    overrides: Mapping[str, Any] | None = None,
    selection: Selection = SELECTION,
    *,
    controls: bool | None = None,
    device: str = "auto",
    progress: Callable[..., None] | None = None,
    command: str | None = None,
) -> tuple[Run, Run]:
    """The two runs to compare. What is not a run yet is attacked: like the other if that is one, else as tables are.

    Args:
        a, b: runs or weights. data: needed where both are weights; a run knows its own.
        out: folder for runs that are made. attacks: by name. overrides: of the settings, unless one is a run.
        controls: whether they stand beside attacks that are made; None: if the other side is a run, where that has
            them, else yes.
        device: to attack on, see `AttackSettings`.
    """
    there = [open_run(source) for source in (a, b) if is_run(source)]
    settings = AttackSettings.load(None, {**SETTINGS.model_dump(), **(overrides or {})})
    if there:
        info, known = there[0].info, list(there[0].info["settings"]["attacks"])
        if unknown := [name for name in attacks if name not in known]:
            raise ConfigError(f"{there[0].folder} has no setting {unknown[0]!r}; it has {', '.join(known)}.")
        settings, selection = AttackSettings.load(None, info["settings"]), _selection(info["selection"])
        data = data or info["dataset"]["folder"]
    controls = settings.controls if controls is None else controls
    settings = settings.model_copy(update={"attacks": attacks, "controls": controls, "device": device})
    first, second = attack_family([a, b], data, out, settings, selection, progress=progress, command=command)
    return first, second


def default_networks() -> list[str]:
    """The shipped networks that can be attacked through their own generator, in the order of all tables.

    Raises:
        DataError: none is shipped.
    """
    names = [name for name, path in shipped_weights().items() if not unattackable(load_network(path))]
    if not names:
        raise DataError("No weights that can be attacked come with this installation; name files of weights.")
    return in_order(names)


def unattackable(network: Network) -> str:
    """Why a network cannot be attacked through its own generator, as the rest of a sentence; "" if it can."""
    if not network.has_regressor:
        return "has no pose regressor, so it predicts no pose; run `turncoat fit-regressor` on it first."
    if getattr(network, "has_decoder", True) is False:
        return "has no decoder, so it cannot repaint; attack it through another network (`turncoat attack --target`)."
    return ""


def is_run(source: str | Path) -> bool:
    """Whether this is the folder of a run."""
    return (Path(source) / "run.json").is_file()


def _finished(place: Path, network: Network, dataset: Dataset, settings: AttackSettings, frames: str) -> Run | None:
    """The finished run in `place`, if it holds what is asked for: the same attacks, or more, or controls too."""
    if not is_run(place):
        return None
    run = open_run(place)
    asked, there = settings.model_dump(mode="json"), dict(run.info["settings"])
    enough = set(asked["attacks"]) <= set(there["attacks"]) and there["controls"] >= asked["controls"]
    alike = all(there.get(name, _MISSING) == value for name, value in asked.items() if name not in _SPEED_AND_EXTENT)
    if not (run.complete and enough and alike):
        return None
    pair, networks = pair_of(network, None, settings)
    networks["judge"] = find_judge(pair, None, settings, dataset)[1]
    same = all(_hash(networks[role]) == _hash(run.info.get(role)) for role in ("generator", "target", "judge"))
    of = run.info["dataset"].get("fingerprint"), run.info["selection"].get("sample_ids_hash")
    return run if same and of == (dataset.info.get("fingerprint"), frames) else None


def _hash(network: Mapping[str, Any] | None) -> str | None:
    return None if network is None else network.get("weights_hash")


_MISSING = object()
_SPEED_AND_EXTENT = ("attacks", "controls", "batch", "device")


def _selection(facts: Mapping[str, Any]) -> Selection:
    """The selection that a run was made with."""
    given = {name: facts[name] for name in ("per_subject", "at_most", "minimum_gap_s") if name in facts}
    groups, subjects = tuple(facts["groups"]), tuple(facts["subjects"])
    return Selection(split=facts["split"], groups=groups, subjects=subjects, **given)


def _share(progress: Callable[..., None], before: int, parts: int, name: str) -> Callable[..., None]:
    """Progress of one of several equal parts as progress of the whole."""

    def tell(done: int, total: int, **facts: Any) -> None:
        progress(before * total + done, parts * total, network=name, **facts)

    return tell
