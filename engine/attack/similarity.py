"""How much an attack changed the picture: MSE, PSNR and SSIM between 8-bit frames (the paper's Table 2)."""

from functools import lru_cache

import torch
from torch import Tensor

from turncoat.engine.attack.pair import from_bytes, to_bytes
from turncoat.kernels.resample import resample

PSNR_CAP_DB = 100.0
WINDOW, SIGMA = 11, 1.5


def similarity(attacked: Tensor, synthesis: Tensor) -> dict[str, Tensor]:
    """Similarity of two batches of pictures, uint8 (B, 3, H, W) each.

    Returns:
        (B,) each: `psnr_db` (peak 1, capped at 100), `ssim` (Gaussian window of 11 pixels, sigma 1.5, mean over pixels
        and channels), `mse_mean` over pixels and channels, `mse_sum` over channels of the mean over pixels. The
        paper's Table 2 holds PSNR and MSE that agree only if its MSE is the sum.
    """
    a, b = from_bytes(attacked), from_bytes(synthesis)
    mse = (a - b).square().mean(dim=(1, 2, 3))
    psnr = (-10 * torch.log10(mse)).clamp(max=PSNR_CAP_DB)
    return {"psnr_db": psnr, "ssim": ssim(a, b), "mse_mean": mse, "mse_sum": mse * attacked.shape[1]}


def crop_similarity(attacked: Tensor, synthesis: Tensor, box: Tensor, size: int) -> dict[str, Tensor]:
    """The same inside the generator's crop box (B, 4), sampled to `size` x `size`: an average over the frame flatters.

    Returns:
        (B,) each: `psnr_crop_db`, `ssim_crop`, `mse_mean_crop`.
    """
    crops = [to_bytes(resample(from_bytes(picture), box, size, size)) for picture in (attacked, synthesis)]
    found = similarity(*crops)
    return {"psnr_crop_db": found["psnr_db"], "ssim_crop": found["ssim"], "mse_mean_crop": found["mse_mean"]}


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity of frames (B, C, H, W) in [0, 1], H and W at least 11 -> (B,), in [-1, 1].

    Gaussian window of 11 pixels with sigma 1.5, K1 = .01, K2 = .03, population moments, mean over the pixels whose
    window lies inside the frame and over channels. The window is separable, so that filtering is two matrix products;
    torchmetrics gives the same numbers, ten times slower.

    Source: Wang, Bovik, Sheikh and Simoncelli 2004.
    """
    rows, columns = _window(a.shape[-2], a.device), _window(a.shape[-1], a.device)

    def smooth(image: Tensor) -> Tensor:
        return rows @ image @ columns.T

    mean_a, mean_b = smooth(a), smooth(b)
    variance_a, variance_b = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2
    covariance = smooth(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    above = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    below = (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    return (above / below).mean(dim=(1, 2, 3))


@lru_cache(maxsize=8)
def _window(pixels: int, device: torch.device) -> Tensor:
    """Banded matrix (pixels - 10, pixels) that smooths one axis, where the whole window fits."""
    offset = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    weight = torch.exp(-(offset**2) / (2 * SIGMA**2))
    matrix = torch.zeros(pixels - WINDOW + 1, pixels, dtype=torch.float64)
    for row in range(len(matrix)):
        matrix[row, row : row + WINDOW] = weight / weight.sum()
    return matrix.float().to(device)
