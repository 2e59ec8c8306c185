"""Pictures of results, painted again: rows hold codes and colours, not frames."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from turncoat.engine.attack.colour_controls import GREY_NOISE, noise
from turncoat.engine.attack.pair import choose_device, compute_in, from_bytes, to_bytes
from turncoat.engine.runs import Run
from turncoat.kernels.errors import DataError
from turncoat.kernels.recompose import recompose
from turncoat.training.data import Dataset
from turncoat.training.networks import guided_by

BATCH = 64


class Pictures(NamedTuple):
    """uint8 (N, 3, H, W) each."""

    clean: np.ndarray
    synthesis: np.ndarray
    attacked: np.ndarray


def resynthesise(run: Run, dataset: Dataset, generator: Any, indices: Sequence[int] | np.ndarray) -> Pictures:
    """Clean, synthesised and attacked frames of rows of `run.table()`, equal to those attacked to one 8-bit level.

    Args:
        run: opened run.
        dataset: the dataset that was attacked.
        generator: the network that painted them; None is enough for rows of the colour attack.
        indices: (N,) row indices; rows whose frame could not be read, or whose code is not finite, have no picture.

    Raises:
        DataError: a row without a picture, or a row of an appearance code without a generator.
    """
    rows = run.table().take([int(i) for i in indices]).to_pylist()
    size = dataset.size
    out = Pictures(*(np.zeros((len(rows), 3, size, size), dtype=np.uint8) for _ in range(3)))
    coded, coloured = [], []
    for place, row in enumerate(rows):
        if row["appearance"] is not None:
            coded.append(place)
        elif row["colours"] is not None or row["control"] == GREY_NOISE:
            coloured.append(place)
        else:
            raise DataError(f"The row of {row['sample_id']} ({row['outcome']}) holds no code, so it has no picture.")
    for places in _batches(coded):
        _paint_codes(out, dataset, generator, rows, places)
    for places in _batches(coloured):
        _paint_colours(out, dataset, rows, places, int(run.info["settings"]["seed"]))
    return out


def _paint_codes(
    out: Pictures, dataset: Dataset, generator: Any, rows: list[dict[str, Any]], places: list[int]
) -> None:
    if generator is None:
        raise DataError("Rows of an appearance attack are painted by their generator; give the network that made them.")
    where = dataset.rows([rows[place]["sample_id"] for place in places])
    out.clean[places] = dataset.read(where)
    device = choose_device("auto", generator)
    frames, background = (
        from_bytes(torch.from_numpy(pictures).to(device)) for pictures in (out.clean[places], dataset.background(where))
    )
    attacked = torch.tensor([rows[place]["appearance"] for place in places], dtype=torch.float32, device=device)
    with torch.no_grad(), compute_in(torch.float32, generator):
        seen = guided_by(generator, dataset, where, device)
        codes = seen.encode(frames)
        canvas = seen.canvas(codes, background)
        for pictures, appearance in ((out.synthesis, codes.appearance), (out.attacked, attacked)):
            pictures[places] = to_bytes(generator.paint(appearance, canvas)).cpu().numpy()


def _paint_colours(out: Pictures, dataset: Dataset, rows: list[dict[str, Any]], places: list[int], seed: int) -> None:
    where = dataset.rows([rows[place]["sample_id"] for place in places])
    out.clean[places] = dataset.read(where)
    layers = dataset.layers(where)
    shading, rest, own = (torch.as_tensor(part) for part in (layers.shading, layers.rest, layers.colours))
    out.synthesis[places] = to_bytes(recompose(shading, own, rest)).numpy()
    for n, place in enumerate(places):
        if rows[place]["colours"] is None:
            out.attacked[place] = noise(out.clean[place][None], [rows[place]], seed)[0]
        else:
            colours = torch.tensor(rows[place]["colours"], dtype=torch.float32).view(1, -1, 3)
            out.attacked[place] = to_bytes(recompose(shading[n : n + 1], colours, rest[n : n + 1]))[0].numpy()


def _batches(places: list[int]) -> list[list[int]]:
    return [places[at : at + BATCH] for at in range(0, len(places), BATCH)]
