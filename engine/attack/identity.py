"""Randomness that belongs to a sample, not to the order in which samples happen to be computed."""

import hashlib
from typing import NamedTuple

import numpy as np


class Asker(NamedTuple):
    """For whom something random is drawn while an attack runs: a start of an attack on a sample."""

    sample_id: str
    restart: int = 0
    purpose: str = ""  # of the attack, which keeps its randomness apart from that of others


def generator_of(seed: int, sample_id: str, restart: int, purpose: str) -> np.random.Generator:
    """A random generator that is the same for one (seed, sample, restart, purpose) on every machine, in any order.

    Purposes keep streams apart: the draws of one control do not shift those of another.
    """
    name = "\x1f".join([str(seed), sample_id, str(restart), purpose])
    digest = hashlib.blake2b(name.encode("utf-8"), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))
