"""Batches as the training loop eats them: read, moved to the device, with everything random about them drawn.

A batch is a function of (seed, step) alone. On a GPU the next ones are read by threads while it computes; on a CPU
reading costs a hundredth of a step and threads would only take cores away from it.
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

from turncoat.training import distributed
from turncoat.training.data import Dataset
from turncoat.training.methods.base import Method, Sampler, part_of, prepared
from turncoat.training.training_state import OptimiserSettings

EXAMPLES = 16
AHEAD = 16


class Batches:
    """Batches of a run, by step. A context manager: it ends its threads."""

    def __init__(
        self, method: Method, dataset: Dataset, sampler: Sampler, settings: OptimiserSettings, device: torch.device
    ) -> None:
        self.method, self.dataset, self.sampler, self.settings, self.device = method, dataset, sampler, settings, device
        self.part = distributed.share(settings.batch, method.group_size)
        ahead = AHEAD if device.type == "cuda" else 0
        self._threads = ThreadPoolExecutor(max(1, ahead // 2)) if ahead else None
        self._coming: deque[tuple[int, Future[Any]]] = deque()

    def __enter__(self) -> "Batches":
        return self

    def __exit__(self, *_: object) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)

    def of(self, step: int) -> tuple[Any, Any]:
        """Batch and draw of a step, this process's part, on the device. Seeds torch, for what networks draw."""
        random = np.random.default_rng([self.settings.seed, step, 1])
        torch.manual_seed(int(random.integers(2**62)) + distributed.rank())
        draw = part_of(self.method.draw(random, self.settings.batch), self.part, self.device)
        return prepared(self._loaded(step), self.device), draw

    def examples(self) -> Any:
        """Whole groups of about sixteen frames that are never trained on as a batch, for pictures."""
        size = max(1, EXAMPLES // self.method.group_size) * self.method.group_size
        return self.method.load(self.dataset, self.sampler.batch(self.settings.steps + 1)[:size])

    def _loaded(self, step: int) -> Any:
        if self._threads is None:
            return self._load(step)
        if not self._coming or self._coming[0][0] != step:
            self._coming.clear()
        following = self._coming[-1][0] + 1 if self._coming else step
        while following <= min(step + AHEAD, self.settings.steps - 1):
            self._coming.append((following, self._threads.submit(self._load, following)))
            following += 1
        return self._coming.popleft()[1].result()

    def _load(self, step: int) -> Any:
        batch = self.method.load(self.dataset, self.sampler.batch(step)[self.part])
        if self.device.type != "cuda":
            return batch
        return type(batch)(*(part.contiguous().pin_memory() if torch.is_tensor(part) else part for part in batch))
