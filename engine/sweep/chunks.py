"""Handing out parts to several processes, and giving up on parts that kill whoever does them."""

from collections import Counter
from collections.abc import Callable, Sequence

DEATHS = 3  # as many processes may die on a part before it is left out


class Chunks:
    """Parts that are still to be done: large chunks first, small ones at the end, so that nobody waits long.

    A chunk never mixes families of attacks. After a death the chunk's parts are handed out again one by one: at most
    one of them is to blame.

    Attributes:
        given_up: parts that nobody survived.
    """

    def __init__(
        self,
        numbers: Sequence[int],
        of_family: int,
        workers: int,
        smallest: int,
        has: Callable[[int], bool],
        largest: int | None = None,
    ) -> None:
        """Plan for `workers` processes.

        Args:
            numbers: of the parts.
            of_family: parts of one family.
            workers: how many share them.
            smallest: parts that one batch takes, and the least in a chunk.
            has: whether a part is written.
            largest: parts of a chunk at most.
        """
        self._largest = largest
        self._left, self._alone = list(numbers), list[int]()
        self._of_family, self._workers, self._smallest, self._has = of_family, workers, smallest, has
        self._deaths: Counter[int] = Counter()
        self.given_up: list[int] = []

    def next(self) -> list[int]:
        """Parts to do next; none: nothing is left."""
        if self._alone:
            return [self._alone.pop(0)]
        if not self._left:
            return []
        family = self._left[0] // self._of_family
        same = [number for number in self._left if number // self._of_family == family]
        share = -(-len(same) // (2 * self._workers))
        size = max(self._smallest, share // self._smallest * self._smallest)
        chunk = same[: min(size, self._largest or size)]
        taken = set(chunk)
        self._left = [number for number in self._left if number not in taken]
        return chunk

    def died(self, chunk: Sequence[int], deaths: int = 1) -> list[int]:
        """A process died on a chunk, `deaths` times; returns the parts that are given up for it."""
        undone = [number for number in chunk if not self._has(number)]
        lost = []
        for number in undone:
            self._deaths[number] += deaths if len(undone) == 1 else 1
            if self._deaths[number] < DEATHS:
                self._alone.append(number)
            else:
                lost.append(number)
        self.given_up += lost
        return lost
