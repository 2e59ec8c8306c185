"""Colour layers and depth of stored samples, drawn again from their identity.

``frame = clamp(sum_m shading_m * colour_m + rest)`` recomposes the stored frame to one grey level, so the colours of
the clothes can be changed exactly, with no generator in between (design.md section 3).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from turncoat.kernels.errors import DataError
from turncoat.training.data.studio import crossed
from turncoat.training.data.studio import recipe as recipes
from turncoat.training.data.studio.crossed_render import instead
from turncoat.training.data.studio.raster import MATERIAL_COUNT
from turncoat.training.data.studio.render import VIEWS_PER_SCENE
from turncoat.training.data.studio.stage import Staged, View, stage
from turncoat.training.data.studio.wardrobe import GARMENTS, MATERIALS

if TYPE_CHECKING:
    from turncoat.training.data.dataset import Dataset


class Layers(NamedTuple):
    """shading (N, 8, H, W) float32 >= 0, summing to at most 1; colours (N, 8, 3) and rest (N, 3, H, W) float32 in [0,
    1].

    ``materials``: names of the layers; ``garment`` (8,) bool: those that are clothes.
    """

    shading: np.ndarray
    colours: np.ndarray
    rest: np.ndarray
    materials: tuple[str, ...]
    garment: np.ndarray


def layers(dataset: Dataset, rows: np.ndarray) -> Layers:
    """The layers of samples. Raises DataError if the dataset was not made by this studio, or by another renderer
    version.
    """
    rows = np.asarray(rows)
    size = dataset.size
    shading = np.zeros((len(rows), MATERIAL_COUNT, size, size), np.float32)
    colours = np.zeros((len(rows), MATERIAL_COUNT, 3), np.float32)
    rest = np.zeros((len(rows), 3, size, size), np.float32)
    for n, view, staged, background in _drawn(dataset, rows):
        shading[n] = view.shading
        colours[n] = staged.dressed.wardrobe.colours()
        rest[n] = (view.lit_background(background) * (1 - view.coverage)[..., None]).transpose(2, 0, 1)
    return Layers(shading, colours, rest, MATERIALS, np.isin(MATERIALS, GARMENTS))


def depth(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """(N, H, W) float32: millimetres along the optical axis to the person, inf on the background. Raises as
    :func:`layers`.
    """
    rows = np.asarray(rows)
    out = np.empty((len(rows), dataset.size, dataset.size), np.float32)
    for n, view, _, _ in _drawn(dataset, rows):
        out[n] = view.depth()
    return out


def _drawn(dataset: Dataset, rows: np.ndarray) -> Iterator[tuple[int, View, Staged, np.ndarray]]:
    """(position in rows, view as drawn, staged sequence, background (H, W, 3) float32), grouped by sequence."""
    info = dataset.info
    if info.get("name") != "studio":
        raise DataError(
            f"{dataset.folder} is a {info.get('name')!r} dataset: colour layers and depth exist for studio ones only"
        )
    crossing = info["recipe"] == crossed.RECIPE
    expected = recipes.fingerprint(
        info["recipe"],
        info["preset"],
        info["seed"],
        info["frame_size"],
        info["shadow"],
        crossed.facts() if crossing else "",
    )
    if info["fingerprint"] != expected:
        raise DataError(
            f"{dataset.folder} was rendered by another version of the studio (fingerprint {info['fingerprint']}, "
            f"this one makes {expected}): render it again with `turncoat render`"
        )
    if crossing:
        yield from _drawn_crossed(dataset, rows)
        return
    known = _sequences(info["preset"], info["recipe"], info["seed"])
    view = View(dataset.size, shadow=info["shadow"])
    names, instants, cameras = (dataset.column(c)[rows] for c in ("sequence", "instant", "camera"))
    backgrounds = dataset.background(rows).transpose(0, 2, 3, 1)
    for name in dict.fromkeys(names.tolist()):
        staged = _staged(known[name], info["seed"], dataset.size)
        mine = np.flatnonzero(names == name)
        for n in mine[np.lexsort((cameras[mine], instants[mine]))]:
            view.draw(staged, int(instants[n]), int(cameras[n]))
            yield int(n), view, staged, backgrounds[n].astype(np.float32) / np.float32(255)


def _drawn_crossed(dataset: Dataset, rows: np.ndarray) -> Iterator[tuple[int, View, Staged, np.ndarray]]:
    seed, size, view = dataset.info["seed"], dataset.size, View(dataset.size)
    known = _sequences("default", "confounded", seed)
    names = ("sequence", "instant", "camera", "body", "wardrobe", "factor")
    columns = [dataset.column(name)[rows].tolist() for name in names]
    backgrounds = dataset.background(rows).transpose(0, 2, 3, 1)
    for n, (sequence, instant, camera, body, wardrobe, factor) in enumerate(zip(*columns, strict=True)):
        staged = instead(_staged(known[sequence], seed, size), instant, body, wardrobe, seed=seed)
        view.shadow = factor == "shadow"
        view.draw(staged, 0, camera % VIEWS_PER_SCENE)
        yield n, view, staged, backgrounds[n].astype(np.float32) / np.float32(255)


@lru_cache(maxsize=4)
def _sequences(preset: str, recipe: str, seed: int) -> dict[str, recipes.Sequence]:
    return {s.key: s for s in recipes.plan(preset, recipe, seed)[0]}


@lru_cache(maxsize=8)
def _staged(sequence: recipes.Sequence, seed: int, size: int) -> Staged:
    return stage(sequence, seed, size)
