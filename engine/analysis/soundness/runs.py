"""The runs of a soundness check: one folder a variant, used again where it is there already."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from turncoat.engine.analysis.soundness.settings import SoundnessSettings
from turncoat.engine.analysis.soundness.variants import Variant, checked, variants_of
from turncoat.engine.attack.appearance import space_of
from turncoat.engine.runs import Run, open_run
from turncoat.engine.sweep import Selection, attack_dataset
from turncoat.engine.sweep.networks import pair_of
from turncoat.kernels.device import choose_precision
from turncoat.kernels.errors import DataError
from turncoat.training.data import Dataset
from turncoat.training.encoding import check_frame_size
from turncoat.training.networks import Disentangled

Progress = Callable[..., None]
Notify = Callable[[Variant, Run, bool], None]


@dataclass(frozen=True)
class Subject:
    """What is attacked: a network on chosen frames of a dataset.

    Attributes:
        network: the target, and the generator of all variants but one.
        other: the generator of that one, or None.
        data, selection, rows: the frames, rows int64.
    """

    network: Any
    other: Any
    data: Dataset
    selection: Selection
    rows: np.ndarray


def subject_of(network: Any, other: Any, data: Dataset, settings: SoundnessSettings) -> Subject:
    """Choose the frames, and find bad input before anything is attacked.

    Raises:
        ConfigError: a network that cannot be attacked or cannot repaint, sees frames of another size, or lacks the
            statistics that the attack needs.
        DataError: too few frames.
    """
    attack = settings.attack()
    for generator in (network,) if other is None else (network, other):
        pair, _ = pair_of(generator, network, attack)
        space_of(settings.setting, generator, pair.device)
        if isinstance(generator, Disentangled):
            check_frame_size(generator, data)
    there = data.select(split=settings.split, group=settings.group)
    subjects = len(set(data.column("subject")[there].tolist()))
    if not subjects:
        raise DataError(f"{data.folder} has no frames of split {settings.split!r} and group {settings.group!r}.")
    selection = Selection(
        split=settings.split, groups=(settings.group,), per_subject=max(1, settings.frames // subjects)
    )
    return Subject(network, other, data, selection, selection.rows(data, settings.seed))


def run_all(
    subject: Subject,
    out: Path,
    settings: SoundnessSettings,
    *,
    progress: Progress | None = None,
    notify: Notify | None = None,
    command: str | None = None,
) -> list[tuple[Variant, Run]]:
    """Attack in every way that is asked for; the checked attack comes first. Runs lie in ``OUT/runs/NAME``."""
    pair, _ = pair_of(subject.network, None, settings.attack())
    precision = choose_precision(settings.precision, pair.device)
    _, other = pair_of(subject.other or subject.network, subject.network, settings.attack())
    name = str(other["generator"]["name"]) if subject.other is not None else None
    first = checked(settings)
    planned = [first, *variants_of(settings, 1.0, precision, name)]  # of the final number, whatever the step size
    bar = _Bar(progress, {one.name: _most_steps(one) * len(subject.rows) for one in planned})
    found = [(first, _run(first, subject, out, bar, notify, command))]
    step_size = float(found[0][1].info["attacks"][settings.setting]["step_size"])
    for variant in variants_of(settings, step_size, precision, name):
        found.append((variant, _run(variant, subject, out, bar, notify, command)))
    return found


def _run(variant: Variant, subject: Subject, out: Path, bar: "_Bar", notify: Notify | None, command: str | None) -> Run:
    place = out / "runs" / variant.name
    generator = subject.other if variant.other_generator else subject.network
    run = _finished(place, variant, generator, subject)
    cached = run is not None
    if run is None:
        run = attack_dataset(
            generator,
            subject.data,
            variant.settings,
            place,
            target=subject.network if variant.other_generator else None,
            selection=subject.selection,
            resume=True,
            progress=bar.of(variant),
            command=command,
        )
    bar.finish(variant)
    if notify is not None:
        notify(variant, run, cached)
    return run


def _finished(place: Path, variant: Variant, generator: Any, subject: Subject) -> Run | None:
    """The complete run in `place`, if it is of the same attack, networks and frames."""
    if not (place / "run.json").is_file():
        return None
    run = open_run(place)
    info = run.info
    same = (
        dict(info["settings"]) | _SPEED == variant.settings.model_dump(mode="json") | _SPEED
        and info["generator"].get("weights_hash") == getattr(generator, "weights_hash", None)
        and info["target"].get("weights_hash") == getattr(subject.network, "weights_hash", None)
        and info["dataset"].get("fingerprint") == subject.data.info.get("fingerprint")
        and info["selection"] == subject.selection.facts(subject.data, subject.rows)
    )
    return run if same and run.complete else None


_SPEED: dict[str, Any] = {"batch": None, "device": None}  # change how fast a run goes, not what comes out


def _most_steps(variant: Variant) -> int:
    """Evaluations of the network that a frame may cost."""
    return variant.settings.iterations * variant.settings.restarts


class _Bar:
    """Progress over all runs, in steps at most: runs differ in them a hundredfold."""

    def __init__(self, progress: Progress | None, steps: dict[str, int]) -> None:
        self._progress, self._steps, self._done = progress, steps, 0

    def of(self, variant: Variant) -> Progress:
        """To be given to the attack of that variant."""
        share = self._steps[variant.name]

        def tell(done: int, total: int, **facts: Any) -> None:
            self._tell(self._done + round(share * done / total), variant.name)

        return tell

    def finish(self, variant: Variant) -> None:
        """That variant is done."""
        self._done += self._steps[variant.name]
        self._tell(self._done, variant.name)

    def _tell(self, done: int, name: str) -> None:
        if self._progress is not None:
            self._progress(done, sum(self._steps.values()), variant=name)
