"""Every shipped network again, from nothing but the datasets: train, fit, choose step sizes, attack, measure, card.

    reproduce("cssl", data="data", decorrelated="data-decorrelated", out="runs/weights")

What each name means is `RECIPES`; everything else is a default of the methods and of preset studio. Training, weights
and attacks stay in the network's folder, so a second call finds them there and a killed one goes on where it stopped.
What is measured last takes minutes and is measured anew.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch

from turncoat.engine.analysis.card_numbers import attack_numbers
from turncoat.engine.attack import APPEARANCE_ATTACKS, AttackSettings
from turncoat.engine.attack.step_size import record_step_sizes
from turncoat.engine.runs import Run
from turncoat.engine.sweep import Selection, attack_dataset, finished_run, place_of_run, step_sizes_of
from turncoat.kernels.device import find_device
from turncoat.kernels.errors import ConfigError
from turncoat.kernels.files import write_json
from turncoat.training.cards import ORDER, run_facts, tidy, update_card
from turncoat.training.checkpoint import load_network, read_tensors, save_network, write_tensors
from turncoat.training.data import Dataset, open_dataset
from turncoat.training.evaluate import EvaluationSettings, evaluate
from turncoat.training.evaluation.ceiling import find_ceiling
from turncoat.training.fit import FitSettings, fit
from turncoat.training.jitter import AUGMENTED
from turncoat.training.label_study import LabelStudySettings, study_labels
from turncoat.training.networks import preset
from turncoat.training.pose_regressor import RegressorSettings, fit_regressor
from turncoat.training.recipes import build_settings, recipe
from turncoat.training.trend import snapshot_trend


class Recipe(NamedTuple):
    """A shipped network: its method, its head, whether colours are jittered, and the dataset it is trained on."""

    method: str
    head: str = "official"
    augment: bool = False
    decorrelated: bool = False


RECIPES: dict[str, Recipe] = {
    "nsd": Recipe("nsd"),
    "nsd-wide": Recipe("nsd", head="wide"),
    "cssl": Recipe("cssl"),
    "cssl-da": Recipe("cssl", augment=True),
    "drnet": Recipe("drnet"),
    "ugar": Recipe("ugar"),
    "nsd-decorrelated": Recipe("nsd", decorrelated=True),
    "cssl-decorrelated": Recipe("cssl", decorrelated=True),
    "supervised": Recipe("supervised"),
    "judge": Recipe("supervised", augment=True, decorrelated=True),
}
"""By name, in the order of the tables."""

assert tuple(RECIPES) == ORDER
IMAGES = 240_000
"""Frames that each network of the tables sees."""
FITTED = RegressorSettings()
MEASURED = EvaluationSettings(poses=2000, pictures=400)
STUDIED = LabelStudySettings()
ATTACKED = AttackSettings(attacks=("paper", "natural"), iterations=200, precision="auto")
"""Attacks whose numbers a card holds, with all controls; those of `turncoat demo`."""
FRAMES = 100
"""Held-out everyday frames that are attacked for a card, as many of every subject."""


class Screen(Protocol):
    """Where stages and progress are shown; `turncoat.engine.cli.output.Output` is one."""

    def show(self, *renderables: Any) -> None: ...

    def warn(self, sentence: str) -> None: ...

    def progress(self, description: str, unit: str) -> AbstractContextManager[Callable[..., None]]: ...


def reproduce(
    name: str,
    *,
    data: str | Path,
    out: str | Path,
    screen: Screen,
    decorrelated: str | Path | None = None,
    images: int = IMAGES,
    seed: int = 0,
    threads: int = 2,
    device: str = "auto",
    frames: int = FRAMES,
) -> Path:
    """Make the network `name` into ``out/name/name.safetensors`` with its card beside it; ``name-seedN`` for a seed.

    data: dataset of the recipe `confounded`; all networks are measured on it.
    decorrelated: dataset of that recipe, for networks that are trained on it.
    images: frames to see in training.
    device: of every stage: a torch device, or "auto": a GPU where there is one.
    frames: held-out everyday frames to attack, for the card; 0 for none. Networks that cannot repaint are not attacked.

    Raises:
        ConfigError: an unknown name, no such device, or no decorrelated dataset where one is needed.
        DataError: unusable datasets.
    """
    if name not in RECIPES:
        raise ConfigError(f"There is no recipe for {name!r}; choose one of {', '.join(RECIPES)}.")
    chosen = RECIPES[name]
    if chosen.decorrelated and decorrelated is None:
        raise ConfigError(f"{name} is trained on the recipe decorrelated; give such a dataset with --decorrelated.")
    place = find_device(device)
    measured = open_dataset(data)
    trained = open_dataset(decorrelated) if chosen.decorrelated and decorrelated is not None else measured
    named = f"{name}-seed{seed}" if seed else name
    folder = Path(out) / named
    folder.mkdir(parents=True, exist_ok=True)
    command = f"turncoat reproduce {name} --images {images}" + (f" --seed {seed}" if seed else "")
    stages = _Stages(chosen, folder, named, command, measured, trained, screen, threads, place)
    stages.train(images, seed)
    stages.fit_regressor()
    stages.choose_step_sizes()
    stages.measure(stages.attack(frames) if frames else None)
    return stages.weights


class _Stages:
    """The stages of one network; each returns at once where its file is there."""

    def __init__(
        self,
        chosen: Recipe,
        folder: Path,
        name: str,
        command: str,
        measured: Dataset,
        trained: Dataset,
        screen: Screen,
        threads: int,
        place: torch.device,
    ) -> None:
        self.chosen, self.command, self.measured, self.trained = chosen, command, measured, trained
        self.screen, self.threads, self.folder, self.place = screen, threads, folder, place
        self.run, self.weights = folder / "run", folder / f"{name}.safetensors"
        self.thread_count = {"threads": threads}

    def train(self, images: int, seed: int) -> None:
        """The run; resumed where it was left."""
        method, size = self.chosen.method, self.trained.size
        given = {"images": images, "seed": seed, "threads": self.threads, "snapshot_images": max(1, images // 8)}
        settings = build_settings(FitSettings, recipe(method, "studio").fit, given)
        with self.screen.progress(f"training {method}", "images") as advance:

            def progress(done: int, total: int, warning: str | None = None, **facts: float) -> None:
                if warning is not None:
                    self.screen.warn(warning)
                else:
                    advance(done, total, **{k: v for k, v in facts.items() if k in ("person_db_own", "mpjpe_mm")})

            result = fit(
                self.trained,
                self.run,
                preset("studio", head=self.chosen.head, frame_size=size, crop_size=size // 2),
                settings,
                method=method,
                method_overrides={"jitter": AUGMENTED} if self.chosen.augment else {},
                resume=True,
                device=str(self.place),
                command=self.command,
                progress=progress,
            )
        if not result.done:
            at = f"{result.images:,} images"
            raise ConfigError(f"Training of {self.weights.stem} was stopped at {at}; call it again to go on.")

    def fit_regressor(self) -> None:
        """The regressor of a network that learned without labels; any network as float16, without paths."""
        if self.weights.exists():
            return
        torch.set_num_threads(self.threads)
        if self.chosen.method == "supervised":
            save_network(self.weights, load_network(self.run), dtype=torch.float16)
        else:
            with self.screen.progress("fitting the regressor", "done") as advance:
                fit_regressor(
                    self.trained,
                    self.run,
                    self.folder / "fitting.safetensors",
                    FITTED.model_copy(update=self.thread_count),
                    dtype=torch.float16,
                    overwrite=True,
                    device=str(self.place),
                    command=self.command,
                    progress=advance,
                )
            (self.folder / "fitting.safetensors").rename(self.weights)
        tensors, header = read_tensors(self.weights, "network")
        write_tensors(self.weights, tensors, header | {"metadata": tidy(header["metadata"])})

    def choose_step_sizes(self) -> None:
        """Step sizes of the attacks, recorded in the weights."""
        network = load_network(self.weights)
        if not network.has_decoder or "attack_step_size" in network.metadata:
            return
        given = {"attacks": list(APPEARANCE_ATTACKS), "precision": "auto", "device": str(self.place)}
        settings = AttackSettings.load(None, given)
        with self.screen.progress("choosing step sizes", "attacks") as advance:
            choices = step_sizes_of(str(self.weights), self.measured, settings, progress=advance)
        record_step_sizes(self.weights, choices)

    def attack(self, frames: int) -> Run | None:
        """The run of attacks on about so many frames, with controls; gone on with if it was killed."""
        network = load_network(self.weights, device=self.place)
        if not network.has_decoder:
            return None
        torch.set_num_threads(self.threads)
        rows = self.measured.select(split="held-out", group="everyday")
        subjects = len(set(self.measured.column("subject")[rows].tolist()))
        selection = Selection(groups=("everyday",), at_most=max(1, round(frames / subjects)))
        settings = ATTACKED.model_copy(update={"device": str(self.place)})
        place = place_of_run(self.folder, network, self.measured, settings, selection)
        run = finished_run(place)
        if run is not None:
            return run
        with self.screen.progress("attacking", "samples") as advance:
            return attack_dataset(network, self.measured, settings, place, selection=selection, resume=True,
                                  progress=advance, command=self.command)  # fmt: skip

    def measure(self, attacked: Run | None) -> None:
        """Evaluation, label study and trend, into the card, with the numbers of the attacks."""
        network = load_network(self.weights, device=self.place)
        torch.set_num_threads(self.threads)
        found: dict[str, Any] = {"run": run_facts(self.run)}
        if attacked is not None:
            found["attacks"] = attack_numbers([attacked], network.weights_hash)
        with self.screen.progress("evaluating", "frames") as advance:
            beside = find_ceiling(network)
            found["evaluation"] = evaluate(network, self.measured, MEASURED, ceiling=beside, progress=advance)
        if network.has_decoder:
            study = STUDIED.model_copy(update={"regressor": STUDIED.regressor.model_copy(update=self.thread_count)})
            with self.screen.progress("label study", "done") as advance:
                found["labels"] = study_labels(network, self.measured, study, progress=advance)
        with self.screen.progress("measuring snapshots", "networks") as advance:
            found["trend"] = snapshot_trend(self.run, self.measured, device=str(self.place), progress=advance)
        write_json(self.run / "trend.json", found["trend"])
        self.screen.show(f"{self.weights} and {update_card(network, **found).name}")
