"""Controls of the colour attack, of the same budget and without a search: random colours, random corners of the budget;
other wardrobes; one grey level of noise."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack.block import Block, judged
from turncoat.engine.attack.colours import Drawn, Dressed, Dyer, colour_columns, limits_of, try_colours
from turncoat.engine.attack.identity import generator_of
from turncoat.engine.attack.measure import Columns, Effect, draws_columns, effect, strongest_draw
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.settings import AttackSettings, colour_budget
from turncoat.engine.attack.verified import reference_paint
from turncoat.training.data import Dataset

RANDOM_COLOURS, RANDOM_STRONGEST = "random colours", "random colours, strongest"
RANDOM_CORNERS = "random corners"
OTHER_WARDROBES, GREY_NOISE = "other wardrobes", "grey noise"


def random_colours(
    pair: Pair, dressed: Dressed, drawn: Drawn, name: str, settings: AttackSettings, truth: Tensor | None
) -> list[Block]:
    """Two blocks: the first random draw of each sample, and the strongest of its draws."""
    return [
        _worn(pair, dressed, garments, drawn.errors, (control, name), settings, truth)
        for control, garments in ((RANDOM_COLOURS, drawn.colours[:, 0]), (RANDOM_STRONGEST, drawn.strongest))
    ]


def random_corners(
    pair: Pair,
    dressed: Dressed,
    name: str,
    samples: Sequence[dict[str, Any]],
    settings: AttackSettings,
    truth: Tensor | None,
) -> Block:
    """The strongest of `settings.draws` corners of the budget: every channel as low or as high as it may, by a coin.

    An ascent ends in corners, where uniform draws hardly ever come; so this is the control of its length.
    """
    low, high = limits_of(dressed.admitted.appearance, name)
    heads = np.stack(
        [
            generator_of(settings.seed, sample["sample_id"], 0, f"{RANDOM_CORNERS} {name}").random(
                (settings.draws, *low.shape[1:])
            )
            < 0.5
            for sample in samples
        ]
    )
    colours = torch.where(torch.from_numpy(heads).to(low.device), high[:, None], low[:, None])  # (N, K, G, 3)
    errors = try_colours(pair, dressed.admitted, colours, settings.batch)
    strongest = colours[torch.arange(len(colours), device=low.device), strongest_draw(errors)]
    return _worn(pair, dressed, strongest, errors, (RANDOM_CORNERS, name), settings, truth)


def wardrobes_of(dataset: Dataset, settings: AttackSettings) -> dict[str, np.ndarray]:
    """Colours (M, 3) of up to `settings.draws` + 1 wardrobes of the training split (of all, if it is empty)."""
    names, trained = dataset.column("wardrobe"), dataset.column("split") == "train"
    known = sorted(set(names[trained].tolist() if trained.any() else names.tolist()) - {None})
    order = generator_of(settings.seed, "wardrobes", 0, OTHER_WARDROBES).permutation(len(known))[: settings.draws + 1]
    chosen = sorted(known[k] for k in order)
    rows = np.array([int(np.flatnonzero(names == name)[0]) for name in chosen], dtype=np.int64)
    return dict(zip(chosen, dataset.colours(rows), strict=True)) if len(rows) else {}


def other_wardrobes(
    pair: Pair,
    dressed: Dressed,
    wardrobes: dict[str, np.ndarray],
    samples: Sequence[dict[str, Any]],
    settings: AttackSettings,
    truth: Tensor | None,
) -> Block:
    """The strongest of the other wardrobes' colours on each sample's own clothes.

    Args:
        wardrobes: colours (M, 3) by name, at least one that is not the sample's own; from `wardrobes_of`.
    """
    names = sorted(wardrobes)
    garment = dressed.garment.cpu().numpy()
    palette = torch.from_numpy(np.stack([wardrobes[name][garment] for name in names]).astype(np.float32))
    garments = palette.to(pair.device).expand(len(samples), -1, -1, -1)  # (N, W, G, 3)
    errors = try_colours(pair, dressed.admitted, garments, settings.batch)
    own = torch.tensor([[name == sample["wardrobe"] for sample in samples] for name in names], device=pair.device)
    errors = errors.masked_fill(own, torch.nan)
    picked = garments[torch.arange(len(samples), device=pair.device), strongest_draw(errors)]
    return _worn(pair, dressed, picked, errors, (OTHER_WARDROBES, "colours"), settings, truth)


def grey_noise(
    pair: Pair,
    dressed: Dressed,
    pictures: np.ndarray,
    samples: Sequence[dict[str, Any]],
    settings: AttackSettings,
    truth: Tensor | None,
) -> Block:
    """One grey level of noise on the stored pictures, uint8 (N, 3, H, W): how much of an effect is none."""
    measured = effect(pair, dressed.admitted, pair.frames(noise(pictures, samples, settings.seed)), truth)
    return _block(dressed, measured, measured.error[None], (GREY_NOISE, "colours"), {}, settings)


def noise(pictures: np.ndarray, samples: Sequence[dict[str, Any]], seed: int) -> np.ndarray:
    """Pictures with -1, 0 or 1 grey level added to every value: uint8 (N, 3, H, W); seeds come from the sample ids."""
    steps = np.stack(
        [
            generator_of(seed, sample["sample_id"], 0, GREY_NOISE).integers(-1, 2, pictures.shape[1:])
            for sample in samples
        ]
    )
    return (pictures.astype(np.int64) + steps).clip(0, 255).astype(np.uint8)


def _worn(
    pair: Pair,
    dressed: Dressed,
    garments: Tensor,
    errors: Tensor,
    name: tuple[str, str],
    settings: AttackSettings,
    truth: Tensor | None,
) -> Block:
    """A control that wears `garments` (N, G, 3); errors (K, N) of all its draws."""
    admitted = dressed.admitted
    measured = effect(pair, admitted, reference_paint(pair, Dyer(), garments, admitted.canvas), truth)
    return _block(dressed, measured, errors, name, colour_columns(dressed, garments), settings)


def _block(
    dressed: Dressed,
    measured: Effect,
    errors: Tensor,
    name: tuple[str, str],
    columns: Columns,
    settings: AttackSettings,
) -> Block:
    control, setting = name
    budget = None if setting == "colours" else colour_budget(setting)
    common = {
        "attack": "control",
        "setting": setting,
        "control": control,
        "budget": budget,
        "objective": settings.objective,
    }
    outcome = judged(measured, dressed.admitted.error_initial, settings.threshold_mm, Outcome.BELOW)
    return Block(
        common,
        outcome,
        {
            **measured.columns,
            **columns,
            **draws_columns(errors, settings.threshold_mm),
            "iterations": np.zeros(len(outcome), dtype=np.int64),
            "error_best_mm": measured.columns["error_final_mm"],
        },
    )
