"""Which machine and which versions a number came from."""

from turncoat.kernels.machine import PACKAGES, machine, versions

__all__ = ["PACKAGES", "machine", "versions"]
