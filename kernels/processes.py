"""What every pool of processes here asks for: a share of the threads, and an end when the parent is gone."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_LOOK_S = 0.2


def die_with_parent() -> None:
    """Call first in a worker: a killed program must not leave workers behind that still write."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def threads_of_children(count: int) -> Iterator[None]:
    """What processes that are started inside take for their number of threads, where nobody has said another."""
    names = [name for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS") if name not in os.environ]
    os.environ |= dict.fromkeys(names, str(count))
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
