"""Where an attack begins when it does not begin at the own code."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack.identity import generator_of

STEPS = 10  # without a bound, a start lies about so many steps from the own code along every coordinate


def random_starts(
    own: Tensor,
    samples: Sequence[Mapping[str, Any]],
    name: str,
    budget: float | None,
    step_size: float,
    seed: int,
    restart: int,
) -> Tensor:
    """A start for every sample, the same for one (seed, sample, restart) whatever is computed beside it.

    Args:
        own: (N, D) coordinates of the own codes.
        samples: (N,) their index columns, of which `sample_id` is needed.
        name: of the attack, which keeps its starts apart from those of others.
        budget, step_size: see `random_point`.
        seed, restart: of the attack.
    """
    return _stacked(
        [
            random_point(one, budget, step_size, generator_of(seed, sample["sample_id"], restart, f"start {name}"))
            for one, sample in zip(own.cpu().numpy(), samples, strict=True)
        ],
        own,
    )


def random_points(own: Tensor, budget: float | None, step_size: float, random: Sequence[np.random.Generator]) -> Tensor:
    """`random_point` of N samples, (N, D) -> (N, D), each by its own generator."""
    return _stacked(
        [random_point(one, budget, step_size, by) for one, by in zip(own.cpu().numpy(), random, strict=True)], own
    )


def random_point(own: np.ndarray, budget: float | None, step_size: float, random: np.random.Generator) -> np.ndarray:
    """A point where an attack may be: uniform in the ball, or about ten steps around the own code where there is none.

    Args:
        own: (D,) coordinates of the own code.
        budget: radius of the ball around 0; None: unbounded, where nothing is uniform and only steps give a scale.
        step_size: of the attack.
        random: drawn from, always as often.
    """
    direction, share = random.standard_normal(len(own)), random.random()
    if budget is None:
        return (own + STEPS * step_size * direction).astype(np.float32)
    inside: np.ndarray = budget * share ** (1 / len(own)) * direction / np.linalg.norm(direction)
    return inside.astype(np.float32)


def _stacked(points: list[np.ndarray], like: Tensor) -> Tensor:
    return torch.from_numpy(np.stack(points)).to(like) if points else torch.zeros_like(like)
