"""How much an attack changed the picture: MSE, PSNR and SSIM between 8-bit frames (the paper's Table 2)."""

import torch
from torch import Tensor

from turncoat.engine.attack.pair import from_bytes, to_bytes
from turncoat.kernels.resample import resample

PSNR_CAP_DB = 100.0


def similarity(attacked: Tensor, synthesis: Tensor) -> dict[str, Tensor]:
    """Similarity of two batches of pictures, uint8 (B, 3, H, W) each.

    Returns:
        (B,) each: `psnr_db` (peak 1, capped at 100), `ssim` (Gaussian window of 11 pixels, sigma 1.5, mean over pixels
        and channels), `mse_mean` over pixels and channels, `mse_sum` over channels of the mean over pixels. The
        paper's Table 2 holds PSNR and MSE that agree only if its MSE is the sum.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure  # slow to import

    a, b = from_bytes(attacked), from_bytes(synthesis)
    mse = (a - b).square().mean(dim=(1, 2, 3))
    ssim = structural_similarity_index_measure(a, b, data_range=1.0, reduction="none")
    assert isinstance(ssim, Tensor)
    psnr = (-10 * torch.log10(mse)).clamp(max=PSNR_CAP_DB)
    return {"psnr_db": psnr, "ssim": ssim.reshape(-1), "mse_mean": mse, "mse_sum": mse * attacked.shape[1]}


def crop_similarity(attacked: Tensor, synthesis: Tensor, box: Tensor, size: int) -> dict[str, Tensor]:
    """The same inside the generator's crop box (B, 4), sampled to `size` x `size`: an average over the frame flatters.

    Returns:
        (B,) each: `psnr_crop_db`, `ssim_crop`, `mse_mean_crop`.
    """
    crops = [to_bytes(resample(from_bytes(picture), box, size, size)) for picture in (attacked, synthesis)]
    found = similarity(*crops)
    return {"psnr_crop_db": found["psnr_db"], "ssim_crop": found["ssim"], "mse_mean_crop": found["mse_mean"]}
