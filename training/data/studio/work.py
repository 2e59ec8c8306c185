"""What a rendering consists of, whatever the recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np


class Work(NamedTuple):
    """job: renders one shard of ``job(folder, shard number, fingerprint, *arguments)`` and returns its number.

    arguments: of each shard. frames: how many each has. backgrounds: (V, size, size, 3) uint8, one a view. cameras: of
    each view, as `finish_dataset` wants them. facts: what dataset.json says besides.
    """

    job: Callable[..., int]
    arguments: Sequence[tuple[Any, ...]]
    frames: Sequence[int]
    backgrounds: np.ndarray
    cameras: dict[str, Any]
    facts: dict[str, Any]
