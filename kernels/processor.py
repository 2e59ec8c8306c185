"""Kernels for a processor: compiled by numba, in as many threads as PyTorch uses. Importing this imports numba."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numba
import torch


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled when it is first called, without the interpreter's lock; kept beside its file or in the user's cache.

    In memory where neither can be written. No fastmath: numbers must come out alike wherever they are compared.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except (RuntimeError, OSError):  # no folder that can be written
        return numba.njit(**options)(function)


def in_parts(work: Callable[[slice], None], count: int, smallest: int = 1) -> None:
    """Call `work` on slices that cover `count` items, each of at least `smallest`, in threads of its own.

    Not numba's threads: they forbid calls from several threads, and forks after the first call.
    """
    workers = max(1, min(torch.get_num_threads(), count // smallest))
    edges = [count * place // workers for place in range(workers + 1)]
    parts = [slice(begin, end) for begin, end in pairwise(edges)]
    if workers == 1:
        work(parts[0])
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, parts))
