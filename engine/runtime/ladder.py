"""Batches and the rungs of a ladder: which fixed sizes run a batch of any size, and how it is padded to them."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from turncoat.kernels import ConfigError, DataError

CALL = 1.0
"""What a call costs beside its samples, in samples (measured at batch 1 and 8: about one)."""

_GREEDY = 4  # a batch beyond so many times the longest rung is cut by it, without looking for better


class Piece(NamedTuple):
    """Samples `begin` to `end` of a batch, run at a fixed size of `rung` (at least as many)."""

    begin: int
    end: int
    rung: int


def pieces(batch: int, rungs: Sequence[int]) -> list[Piece]:
    """Cut a batch into the pieces that cost least, padding counted; 9 with rungs 1, 8, 32 is 8 and 1, 15 is 8 and 8.

    Args:
        batch: number of samples.
        rungs: sizes there are, ascending.

    Raises:
        DataError: an empty batch.
    """
    if batch < 1:
        raise DataError("An empty batch was given to a graph; give it at least one sample.")
    whole: list[int] = []
    longest = rungs[-1]
    while batch - sum(whole) > _GREEDY * longest:
        whole.append(longest)
    found, begin = [], 0
    for rung in whole + list(_cheapest(batch - sum(whole), tuple(rungs))):
        found.append(Piece(begin, min(begin + rung, batch), rung))
        begin += rung
    return found


def check_batch(batch: int, rungs: Sequence[int] | None, what: str) -> None:
    """Where a batch has to stay in one piece: where the latency of that batch is what is asked for.

    Sessions and sweeps cut longer batches into pieces instead (`pieces`).

    Raises:
        ConfigError: it is longer than the longest rung.
    """
    if rungs is not None and batch > rungs[-1]:
        raise ConfigError(
            f"A batch of {batch} is longer than the ladder of {what}, whose longest rung is {rungs[-1]}; use batches "
            f"of at most {rungs[-1]}, or export with --batch {','.join(map(str, [*rungs, batch]))}."
        )


def padded(values: Tensor, rung: int) -> Tensor:
    """The last sample again until there are `rung`: whatever is computed of it is as finite as the rest."""
    missing = rung - len(values)
    return values if missing == 0 else torch.cat([values, values[-1:].expand(missing, *values.shape[1:])])


@lru_cache(maxsize=512)
def _cheapest(batch: int, rungs: tuple[int, ...]) -> tuple[int, ...]:
    """Rungs that hold `batch` samples at the least cost, longest first."""
    best: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    for count in range(1, batch + 1):
        ways = []
        for rung in rungs:
            cost, rest = best[max(0, count - rung)]
            ways.append((cost + rung + CALL, (*rest, rung)))
        best.append(min(ways, key=lambda way: way[0]))
    return tuple(sorted(best[batch][1], reverse=True))
