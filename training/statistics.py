"""What appearance codes of real pictures look like: their mean, covariance and how far out they lie."""

from typing import NamedTuple

import torch
from torch import Tensor

from turncoat.kernels import DataError


class AppearanceStatistics(NamedTuple):
    """Natural appearance codes of the training split.

    mean: (128,) float32.
    factor: (128, 128) float32, lower triangular L with ``covariance = L L^T``; a code is ``mean + L z``.
    mean_radius, radius_p99: mean and 99th percentile of ``|z|`` over real pictures: the ball natural codes lie in.
    """

    mean: Tensor
    factor: Tensor
    mean_radius: float
    radius_p99: float

    def whiten(self, appearance: Tensor) -> Tensor:
        """Codes (B, 128) -> z (B, 128) with unit covariance over real pictures."""
        centred = (appearance - self.mean).T
        return torch.linalg.solve_triangular(self.factor, centred, upper=False).T

    def colour(self, whitened: Tensor) -> Tensor:
        """z (B, 128) -> codes (B, 128)."""
        return self.mean + whitened @ self.factor.T


def check_enough_codes(count: int, size: int) -> None:
    """DataError unless `count` appearance codes of `size` numbers can give a covariance."""
    if count < 2 * size:
        raise DataError(f"{count} appearance codes are too few for a covariance of {size}; use at least {2 * size}.")


def appearance_statistics(codes: Tensor, ridge: float = 1e-4) -> AppearanceStatistics:
    """Statistics of natural codes (N, 128), computed in float64.

    ridge: what is added to the covariance's diagonal, as a share of its mean, so that directions which no picture
        uses stay invertible. [choice]

    Raises:
        DataError: a code is not finite, all are the same, or there are fewer codes than twice their size.
    """
    if not torch.isfinite(codes).all():
        raise DataError("An appearance code is NaN or infinite, so the network's weights are damaged; train it again.")
    count, size = codes.shape
    check_enough_codes(count, size)
    exact = codes.double()
    mean = exact.mean(0)
    covariance = torch.cov(exact.T)
    if not covariance.diagonal().mean() > 0:
        raise DataError(
            f"All {count} appearance codes are the same, so they have no covariance: the network has collapsed, or its "
            "weights are damaged; train it again."
        )
    covariance += ridge * covariance.diagonal().mean() * torch.eye(size, dtype=torch.float64)
    factor = torch.linalg.cholesky(covariance)
    radius = torch.linalg.solve_triangular(factor, (exact - mean).T, upper=False).norm(dim=0)
    p99 = radius.kthvalue(max(1, round(0.99 * count))).values
    return AppearanceStatistics(mean.float(), factor.float(), float(radius.mean()), float(p99))
