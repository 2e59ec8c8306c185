"""Where the attack walks: coordinates of an appearance, and how far they may go.

A space turns what a generator paints from (an appearance code, or the colours of garments) into the coordinates that
Adam moves, and back. Limits that differ by sample travel with the sample, as a tuple of tensors with one row each.
"""

from typing import Any, Protocol

import torch
from torch import Tensor

Limits = tuple[Tensor, ...]


class Statistics(Protocol):
    """Mean and covariance of a network's natural appearance codes: `h_a = mean + factor z`."""

    @property
    def mean(self) -> Any: ...  # (128,)

    @property
    def factor(self) -> Any: ...  # (128, 128), lower triangular

    @property
    def radius_p99(self) -> float: ...  # |z| below which 99 % of natural codes lie


class Space(Protocol):
    """Coordinates x of an appearance; all arguments batch first. What differs by sample is in the limits."""

    def coordinates(self, appearance: Tensor) -> Tensor: ...

    def appearance(self, x: Tensor, limits: Limits = ()) -> Tensor: ...

    def pull_back(self, gradient: Tensor, limits: Limits = ()) -> Tensor:
        """Gradient with respect to x, from the one with respect to the appearance."""
        ...

    def project(self, x: Tensor, limits: Limits) -> Tensor:
        """The nearest allowed coordinates."""
        ...


class Raw:
    """The appearance code itself, unbounded: setting `paper`, Algorithm 1 to the letter."""

    def coordinates(self, appearance: Tensor) -> Tensor:
        return appearance

    def appearance(self, x: Tensor, limits: Limits = ()) -> Tensor:
        return x

    def pull_back(self, gradient: Tensor, limits: Limits = ()) -> Tensor:
        return gradient

    def project(self, x: Tensor, limits: Limits) -> Tensor:
        return x


class Whitened:
    """`h_a = mean + factor z`, where natural codes have unit covariance; setting `free`, or with a radius `natural`.

    Args:
        statistics: of the generator's natural codes.
        radius: |z| is kept at most so large; None: unbounded.
        device: where the attack runs.
    """

    def __init__(self, statistics: Statistics, radius: float | None = None, device: torch.device | str = "cpu") -> None:
        self.mean = torch.as_tensor(statistics.mean, dtype=torch.float32, device=device)  # (128,)
        self.factor = torch.as_tensor(statistics.factor, dtype=torch.float32, device=device)  # (128, 128)
        self.radius = radius

    def coordinates(self, appearance: Tensor) -> Tensor:
        # Solved in float64: channels of a code differ tenfold in scale, some of them are nearly dependent.
        shifted = (appearance - self.mean).double()
        return torch.linalg.solve_triangular(self.factor.double(), shifted.T, upper=False).T.to(appearance.dtype)

    def appearance(self, x: Tensor, limits: Limits = ()) -> Tensor:
        return self.mean + x @ self.factor.T

    def pull_back(self, gradient: Tensor, limits: Limits = ()) -> Tensor:
        return gradient @ self.factor

    def project(self, x: Tensor, limits: Limits) -> Tensor:
        if self.radius is None:
            return x
        return x * (self.radius / x.norm(dim=1, keepdim=True)).clamp(max=1)


class Codes:
    """Appearance codes of attacks that fly side by side: each row says in its limits how it walks.

    Limits: ``whitened`` (B,) bool, raw coordinates or whitened ones; ``own`` (B, D), where the sample's own code lies;
    ``radius`` (B,), how far from the mean, and ``budget`` (B,), how far from the own code it may go; infinite where
    there is no such bound. Where both bind, a point is brought into the ball around the mean and then towards the own
    code until it is near enough: if the own code is natural, all that way is too.

    Args:
        statistics: of the generator's natural codes; None: all rows are raw.
        device: where the attack runs.
    """

    def __init__(self, statistics: Statistics | None, device: torch.device | str = "cpu") -> None:
        self._white = Whitened(statistics, None, device) if statistics is not None else None

    def limits(self, own: Tensor, whitened: bool, radius: float | None = None, budget: float | None = None) -> Limits:
        """Limits of B rows that walk alike; own: (B, D) coordinates of their own codes."""

        def column(value: float | None) -> Tensor:
            return torch.full((len(own),), torch.inf if value is None else value, device=own.device)

        white = torch.full((len(own),), whitened, device=own.device)
        return white, own, column(radius), column(budget)

    def coordinates(self, appearance: Tensor) -> Tensor:
        """Whitened coordinates; raw ones are the code itself."""
        return appearance if self._white is None else self._white.coordinates(appearance)

    def appearance(self, x: Tensor, limits: Limits = ()) -> Tensor:
        return x if self._white is None else torch.where(limits[0][:, None], self._white.appearance(x), x)

    def pull_back(self, gradient: Tensor, limits: Limits = ()) -> Tensor:
        if self._white is None:
            return gradient
        return torch.where(limits[0][:, None], self._white.pull_back(gradient), gradient)

    def project(self, x: Tensor, limits: Limits) -> Tensor:
        _, own, radius, budget = limits
        x = x * (radius / x.norm(dim=1)).clamp(max=1)[:, None]
        away = x - own
        near = own + away * (budget / away.norm(dim=1)).clamp(max=1)[:, None]
        return torch.where(budget.isinf()[:, None], x, near)


class ColourBox:
    """Colours (B, G, 3), each channel between limits that differ by sample: `limits = (low, high)`."""

    def coordinates(self, appearance: Tensor) -> Tensor:
        return appearance

    def appearance(self, x: Tensor, limits: Limits = ()) -> Tensor:
        return x

    def pull_back(self, gradient: Tensor, limits: Limits = ()) -> Tensor:
        return gradient

    def project(self, x: Tensor, limits: Limits) -> Tensor:
        low, high = limits
        return torch.minimum(torch.maximum(x, low), high)
