"""The wardrobe test of one network."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from turncoat.engine.analysis.intervals import clusters_of
from turncoat.engine.analysis.wardrobe.layout import Layout, lay_out
from turncoat.engine.analysis.wardrobe.pairs import apart, mean_pose_errors, pair_up
from turncoat.engine.analysis.wardrobe.predictions import grey_level, predict_rows
from turncoat.engine.analysis.wardrobe.result import NOISE, Anchors, WardrobeTest
from turncoat.engine.analysis.wardrobe.settings import WardrobeSettings
from turncoat.engine.analysis.wardrobe.spread import Beside, Spread, measure_spread
from turncoat.engine.attack.joints import truth_for
from turncoat.kernels.pose_error import mpjpe
from turncoat.training.checkpoint import network_name
from turncoat.training.data import Dataset

Progress = Callable[[int, int], None]


def wardrobe_test(
    network: Any, dataset: Dataset, settings: WardrobeSettings | None = None, *, progress: Progress | None = None
) -> WardrobeTest:
    """How far a network's error moves when one thing about the picture changes and pose and camera do not.

    Args:
        network: a `PoseTarget`; foreign ones are compared over their own joints, and those that are told where the
            person is (UGAR) are told so by the dataset.
        dataset: a crossed set (recipe `crossed`).
        progress: called with frames predicted and frames in all.

    Raises:
        DataError: the dataset is no crossed set, is too small or unreadable, or a pose is not finite.
        ConfigError: the network cannot predict.
    """
    settings = settings or WardrobeSettings()
    layout = lay_out(dataset, settings.group, settings.poses)
    anchor_rows = layout.rows[layout.anchors]
    total, done = len(layout.rows) + settings.noise_draws * len(anchor_rows), 0

    def advance(frames: int) -> None:
        nonlocal done
        done += frames
        if progress is not None:
            progress(done, total)

    poses = predict_rows(network, dataset, layout.rows, batch=settings.batch, advance=advance)
    noisy = [
        predict_rows(
            network,
            dataset,
            anchor_rows,
            batch=settings.batch,
            change=grey_level(dataset, settings.seed, draw),
            advance=advance,
        )
        for draw in range(settings.noise_draws)
    ]
    truth = truth_for(network, torch.from_numpy(dataset.pose(layout.rows).astype(np.float64))).numpy()
    return _measured(network, dataset, settings, layout, poses, truth, noisy)


def _measured(
    network: Any,
    dataset: Dataset,
    settings: WardrobeSettings,
    layout: Layout,
    poses: np.ndarray,
    truth: np.ndarray,
    noisy: list[np.ndarray],
) -> WardrobeTest:
    own, right = poses[layout.anchors], truth[layout.anchors]
    group, sequence = layout.poses["group"], layout.poses["sequence"]
    anchors = Anchors(
        key=layout.poses["crossed_pose"],
        sequence=sequence,
        motion_id=layout.poses["motion_id"],
        group=group,
        error_mm=mpjpe(own, right),
        mean_pose_mm=_by_group(mean_pose_errors, right, group, sequence),
        apart_mm=_by_group(apart, own, group, sequence),
    )
    beside = _beside(layout, layout.of, layout.level, layout.seen, anchors.apart_mm)
    pairs = pair_up(own[layout.of], poses[layout.changed], right[layout.of], truth[layout.changed])
    draws = np.tile(np.arange(len(own)), len(noisy))
    names = np.repeat([f"draw {n}" for n in range(len(noisy))], len(own))
    noise_beside = _beside(layout, draws, names, np.ones(len(draws), dtype=bool), anchors.apart_mm)
    noise = pair_up(own[draws], np.concatenate(noisy), right[draws], right[draws])
    found: dict[str, dict[str, Spread]] = {}
    for name in np.unique(group).tolist():
        mine, also = group[layout.of] == name, group[draws] == name
        measured = found[name] = {}
        for factor in dict.fromkeys(layout.factor[mine].tolist()):
            keep = mine & (layout.factor == factor)
            measured[factor] = measure_spread(factor, pairs.of(keep), beside.of(keep), settings.thresholds_mm)
        measured[NOISE] = measure_spread(NOISE, noise.of(also), noise_beside.of(also), settings.thresholds_mm)
    return WardrobeTest(
        name=network_name(network),
        settings=settings,
        dataset={name: dataset.info.get(name) for name in ("recipe", "preset", "seed", "frame_size", "fingerprint")},
        spreads=found,
        anchors=anchors,
        unreadable=int(np.isnan(poses[:, 0, 0]).sum()),
        of=layout.of,
        factor=layout.factor,
        level=layout.level,
        seen=layout.seen,
        pairs=pairs,
        rows=layout.rows,
        places=layout.changed,
        anchor_places=layout.anchors,
        poses=poses,
        truth=truth,
        joints=tuple(getattr(network, "joints", range(poses.shape[1]))),
        crossed=dataset,
    )


def _by_group(
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray], poses: np.ndarray, group: np.ndarray, sequence: np.ndarray
) -> np.ndarray:
    """(P,) mm, of poses among those of their own group of actions."""
    found = np.full(len(poses), np.nan)
    for name in np.unique(group):
        mine = group == name
        found[mine] = measure(poses[mine], sequence[mine])
    return found


def _beside(layout: Layout, of: np.ndarray, level: np.ndarray, seen: np.ndarray, apart_mm: np.ndarray) -> Beside:
    columns = {name: layout.poses[name][of] for name in ("sequence", "motion_id")}
    action, subject = layout.poses["action"][of], layout.poses["subject"][of]
    return Beside(of, level, seen, action, subject, apart_mm[of], clusters_of(columns))
