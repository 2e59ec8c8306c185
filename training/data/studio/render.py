"""Renders a studio dataset: many processes, one shard of sequences at a time, resumable after any interruption."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from turncoat.kernels.errors import ConfigError, DataError
from turncoat.kernels.files import check_output_folder
from turncoat.kernels.processes import die_with_parent
from turncoat.training.data.store import ShardWriter, finish_dataset, shard_is_finished
from turncoat.training.data.studio import crossed
from turncoat.training.data.studio import recipe as recipes
from turncoat.training.data.studio.clips import ACTIONS
from turncoat.training.data.studio.crossed_render import crossed_work
from turncoat.training.data.studio.scene import SCENES, cameras, render_backgrounds
from turncoat.training.data.studio.stage import View, stage
from turncoat.training.data.studio.wardrobe import GARMENTS, MATERIALS
from turncoat.training.data.studio.work import Work

_SEQUENCES_PER_SHARD = 4
VIEWS_PER_SCENE = 4


def render_dataset(
    out: str | Path,
    *,
    preset: str = "default",
    recipe: str = "confounded",
    seed: int = 0,
    size: int = recipes.FRAME_SIZE,
    shadow: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Renders into ``out`` and returns the contents of its dataset.json.

    A folder that holds finished shards of the same fingerprint is completed; one of another fingerprint is refused
    (DataError). ``progress(frames done, frames in all)`` is called after every shard. ``size`` is the frame's side in
    pixels.
    """
    if size < 32 or size > 1024:
        raise ConfigError(f"frame size {size} was asked for: choose 32 to 1024 pixels")
    recipes.plan(preset, recipe, seed)  # are there such names?
    crossing = recipe == crossed.RECIPE
    if crossing and shadow:
        raise ConfigError("the crossed recipe has its cast shadows in frames of their own: leave --shadow out")
    mark = recipes.fingerprint(recipe, preset, seed, size, shadow, crossed.facts() if crossing else "")
    out = Path(out)
    finished = _finished(out, mark)
    if finished:
        return finished
    out.mkdir(parents=True, exist_ok=True)
    work = crossed_work(preset, seed, size) if crossing else _sequence_work(preset, recipe, seed, size, shadow)
    total, shards = sum(work.frames), len(work.frames)
    waiting = [k for k in range(shards) if not shard_is_finished(out, k, fingerprint=mark)]
    done = total - sum(work.frames[k] for k in waiting)
    if progress:
        progress(done, total)
    jobs = [(str(out), k, mark, *work.arguments[k]) for k in waiting]
    for k in _run(work.job, jobs, workers or len(os.sched_getaffinity(0))):
        done += work.frames[k]
        if progress:
            progress(done, total)
    info = {
        "name": "studio",
        "recipe": recipe,
        "preset": preset,
        "seed": seed,
        "frame_size": size,
        "shadow": shadow,
        "fingerprint": mark,
        "renderer_version": recipes.RENDERER_VERSION,
        "materials": list(MATERIALS),
        "garments": list(GARMENTS),
        "training_subjects": list(recipes.TRAINING_SUBJECTS),
        "action_order": list(ACTIONS),
        **work.facts,
    }
    return finish_dataset(out, info, work.backgrounds, work.cameras, shards=shards, fingerprint=mark)


def _sequence_work(preset: str, recipe: str, seed: int, size: int, shadow: bool) -> Work:
    """Whole sequences, seen by all four cameras of their scene."""
    sequences, chosen = recipes.plan(preset, recipe, seed)
    shards = [sequences[i : i + _SEQUENCES_PER_SHARD] for i in range(0, len(sequences), _SEQUENCES_PER_SHARD)]
    frames_each = len(range(0, recipes.INSTANTS, chosen.stride)) * VIEWS_PER_SCENE
    return Work(
        _render_shard,
        [(shard, seed, size, shadow, chosen.stride) for shard in shards],
        [frames_each * len(shard) for shard in shards],
        np.concatenate([backgrounds_8bit(scene, size) for scene in SCENES]),
        _camera_table(size),
        {},
    )


def _finished(out: Path, mark: str) -> dict[str, Any] | None:
    """The dataset.json of a finished dataset of this fingerprint; None where there is something left to render.

    Raises DataError if the folder holds another dataset or a damaged one, ConfigError if it cannot be written.
    """
    path = out / "dataset.json"
    if not path.exists():
        check_output_folder(out, resume=True)
        return None
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(info, dict):
            raise ValueError(f"a {type(info).__name__} instead of an object")
    except ValueError as error:
        raise DataError(
            f"{path} is damaged, it does not hold the description of a dataset ({error}): remove it and render again."
        ) from None
    if info.get("fingerprint") != mark:
        raise DataError(
            f"{out} holds another dataset (fingerprint {info.get('fingerprint')}, this recipe makes {mark}): "
            "choose another folder or remove it."
        )
    return info


def _run(render: Callable[..., int], jobs: list[tuple], workers: int):  # type: ignore[no-untyped-def]
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            yield render(*job)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context, initializer=die_with_parent) as pool:
        try:
            for future in as_completed([pool.submit(render, *job) for job in jobs]):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@lru_cache(maxsize=16)
def backgrounds_8bit(scene: str, size: int) -> np.ndarray:
    """(4, size, size, 3) uint8."""
    return (render_backgrounds(scene, size) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def _camera_table(size: int) -> dict[str, Any]:
    every = [(scene, k, camera) for scene in SCENES for k, camera in enumerate(cameras(scene, size))]
    return {
        "scene": [s for s, _, _ in every],
        "camera": [k for _, k, _ in every],
        "rotation": np.stack([c.rotation for _, _, c in every]),
        "translation": np.stack([c.translation for _, _, c in every]),
        "intrinsics": np.stack([c.intrinsics for _, _, c in every]),
    }


def _render_shard(
    out: str, shard: int, mark: str, sequences: list[recipes.Sequence], seed: int, size: int, shadow: bool, stride: int
) -> int:
    view = View(size, shadow=shadow)
    with ShardWriter(Path(out), shard, fingerprint=mark) as writer:
        for sequence in sequences:
            staged, times_s = stage(sequence, seed, size), recipes.instant_times(sequence.split)
            colours = staged.dressed.wardrobe.colours()
            backgrounds = backgrounds_8bit(sequence.scene, size).astype(np.float32) / np.float32(255)
            for instant in range(0, recipes.INSTANTS, stride):
                for camera in range(VIEWS_PER_SCENE):
                    view.draw(staged, instant, camera)
                    frame, alpha = view.picture(colours, backgrounds[camera])
                    writer.add_frame(
                        frame,
                        alpha,
                        view.labels,
                        rectangle=view.shadow_rectangle() if shadow else None,
                        joints_world=staged.joints[instant],
                        sample_id=f"{sequence.key}.i{instant:02d}.c{camera}",
                        sequence=sequence.key,
                        instant=instant,
                        camera=camera,
                        scene=sequence.scene,
                        subject=sequence.subject,
                        body=sequence.body,
                        wardrobe=sequence.wardrobe,
                        action=sequence.action,
                        group=sequence.group,
                        motion_id=staged.movement.motion_id[instant],
                        motion_time_s=float(staged.movement.motion_time_s[instant]),
                        mirrored=staged.movement.mirrored,
                        time_s=float(times_s[instant]),
                        split=sequence.split,
                        view=SCENES.index(sequence.scene) * VIEWS_PER_SCENE + camera,
                    )
    return shard
