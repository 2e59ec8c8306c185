"""MSE, PSNR and SSIM against scikit-image, and where they are exact."""

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from turncoat.engine.attack.similarity import crop_similarity, similarity


def pictures(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth pictures and noisier versions of them, uint8 (4, 3, 40, 36)."""
    random = np.random.default_rng(seed)
    grid = np.add.outer(np.linspace(0, 3, 40), np.linspace(0, 2, 36))
    clean = 128 + 80 * np.sin(grid[None, None] * random.uniform(1, 4, (4, 3, 1, 1)))
    noisy = clean + random.normal(0, 1, clean.shape) * np.array([1, 5, 20, 60])[:, None, None, None]
    return tuple(torch.from_numpy(one.clip(0, 255).astype(np.uint8)) for one in (noisy, clean))  # type: ignore[return-value]


def test_the_numbers_are_scikit_images() -> None:
    attacked, synthesis = pictures()
    found = similarity(attacked, synthesis)
    for n in range(4):
        a, b = attacked[n].numpy(), synthesis[n].numpy()
        ssim = structural_similarity(
            a / 255, b / 255, channel_axis=0, data_range=1.0, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False,
        )  # fmt: skip
        assert found["ssim"][n].item() == pytest.approx(ssim, abs=2e-5)
        assert found["psnr_db"][n].item() == pytest.approx(peak_signal_noise_ratio(b, a), abs=1e-3)
    assert found["ssim"][0] > found["ssim"][1] > found["ssim"][2] > found["ssim"][3]


def test_the_sum_over_channels_is_three_times_the_mean() -> None:
    found = similarity(*pictures())
    torch.testing.assert_close(found["mse_sum"], 3 * found["mse_mean"])
    torch.testing.assert_close(found["psnr_db"], -10 * torch.log10(found["mse_mean"]))


def test_equal_pictures_are_alike_without_infinity() -> None:
    _, synthesis = pictures()
    found = similarity(synthesis, synthesis)
    assert (found["psnr_db"] == 100).all() and (found["mse_mean"] == 0).all()
    torch.testing.assert_close(found["ssim"], torch.ones(4), atol=1e-4, rtol=0)


def test_the_crop_leaves_out_what_lies_outside_the_box() -> None:
    _, synthesis = pictures()
    attacked = synthesis.clone()
    attacked[:, :, :4] = 255 - attacked[:, :, :4]  # the top rows only
    box = torch.tensor([[0.5, 0.5, 0.0, 0.2]]).expand(4, 4)
    assert (crop_similarity(attacked, synthesis, box, 32)["mse_mean_crop"] == 0).all()
    assert (similarity(attacked, synthesis)["mse_mean"] > 0).all()
