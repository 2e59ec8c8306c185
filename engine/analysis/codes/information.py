"""Information over bias: how much better a picture is decoded from a code than from nothing.

``IOB(I, z) = MSE of a decoder trained on all-ones / MSE of one trained on z``, on test pictures. Above 1 the code says
something of the picture; below 1 the decoder did worse than a constant picture, a sign of too little training or too
much. Source: methods section 7.2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.engine.analysis.codes.draws import shuffled_sequences
from turncoat.engine.analysis.codes.frames import FrameCodes, NetworkCodes, Progress
from turncoat.engine.analysis.intervals import Clusters, Interval, bootstrap_mean
from turncoat.kernels.device import choose_precision
from turncoat.kernels.errors import DataError
from turncoat.kernels.resample import resample
from turncoat.kernels.settings import Settings
from turncoat.training.data.tensors import as_float
from turncoat.training.networks.presets import IMAGENET_MEAN

CELLS = 8
"""Height and width of the decoder's first map."""


class InformationSettings(Settings):
    """What is decoded and how. The defaults take seconds a decoder on one core [choice]; `PUBLISHED` is the paper's.

    picture: height and width that are decoded. hidden: widths of the two linear layers before the map. channels: of
        that map, 8 by 8; each doubling of the picture halves them.
    images, tests: training and test pictures at most, spread evenly.
    decay: whether the learning rate falls to nothing over the steps, by a cosine; few steps end too early without.
    standardise: codes are divided by their standard deviations, so that a code of small numbers is not learned later.
    seeds: decoders of each code. shuffled: of those, how many are trained on other frames' codes again, as the null.
    precision: "auto": bfloat16 where the processor multiplies it in hardware.
    """

    picture: Literal[16, 32, 64, 128] = 32
    hidden: tuple[int, int] = (256, 256)
    channels: int = Field(32, ge=1)
    images: int = Field(1600, ge=20)
    tests: int = Field(400, ge=8)
    epochs: int = Field(5, ge=1)
    batch: int = Field(50, ge=2)
    learning_rate: float = Field(1e-2, gt=0)
    decay: bool = True
    standardise: bool = True
    seeds: int = Field(3, ge=1)
    shuffled: int = Field(1, ge=0)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = 0


PUBLISHED = InformationSettings(
    picture=128,
    hidden=(256, 4096),
    channels=256,
    images=2000,
    epochs=40,
    batch=10,
    learning_rate=1e-4,
    decay=False,
    standardise=False,
    precision="float32",
)
"""Methods section 7.2: 67 million weights in the last linear layer alone; hours for a network on a processor."""


def decoder(size: int, settings: InformationSettings) -> nn.Sequential:
    """The published decoder of a code (B, size) -> (B, 3, picture, picture) in [-1, 1].

    Three linear layers without activations between them, then transposed convolutions 4x4 with stride 2, instance
    norms and leaky ReLUs up to the picture, then a 7x7 convolution, an instance norm and a tanh. Weights of linear
    layers and transposed convolutions are Xavier-uniform.
    """
    first, second = settings.hidden
    channels, width = settings.channels, CELLS
    layers: list[nn.Module] = [nn.Linear(size, first), nn.Linear(first, second)]
    layers += [nn.Linear(second, channels * CELLS**2), nn.Unflatten(1, (channels, CELLS, CELLS))]
    while width < settings.picture:
        half = max(channels // 2, 1)
        layers += [nn.ConvTranspose2d(channels, half, 4, 2, 1), nn.InstanceNorm2d(half, affine=True), nn.LeakyReLU(0.2)]
        channels, width = half, 2 * width
    layers += [nn.Conv2d(channels, 3, 7, 1, 3), nn.InstanceNorm2d(3, affine=True), nn.Tanh()]
    for layer in layers:
        if isinstance(layer, nn.Linear | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(layer.weight)
    return nn.Sequential(*layers)


@dataclass(frozen=True)
class Information:
    """Information over bias of some codes.

    ratio: code -> IOB with its 95 % interval over recordings, of errors averaged over the seeds.
    by_seed: code -> IOB of every seed: how much training alone moves it.
    null: code -> mean and range of IOB of decoders trained on other frames' codes; None where there are none.
    ones, mean_picture: MSE, in [-1, 1], of the decoders of all-ones, and of the training pictures' mean: what all-ones
        would end at without instance norms.
    """

    ratio: dict[str, Interval]
    by_seed: dict[str, list[float]]
    null: dict[str, Interval | None]
    ones: dict[str, float]
    mean_picture: float
    settings: InformationSettings
    images: int
    tests: int

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "ratio": {name: each.facts() for name, each in self.ratio.items()},
            "by_seed": self.by_seed,
            "null": {name: None if each is None else each.facts() for name, each in self.null.items()},
            "mse_ones": self.ones,
            "mse_mean_picture": self.mean_picture,
            "images": self.images,
            "tests": self.tests,
            "settings": self.settings.model_dump(mode="json"),
        }


def information(
    codes: NetworkCodes, settings: InformationSettings | None = None, *, progress: Progress | None = None
) -> Information:
    """IOB(I, appearance) and IOB(I, pose code); I is the crop that the network's own box takes of the frame, [choice]
    in [-1, 1], without the window that its encoder fades it with.

    Raises:
        DataError: too few frames.
    """
    settings = settings or InformationSettings()
    train, test = codes.train.spread(settings.images), codes.test.spread(settings.tests)
    pictures = crops(train, settings.picture), crops(test, settings.picture)
    sequence = train.column("sequence")
    return information_in(
        {name: (each, test.codes[name]) for name, each in train.codes.items()},
        pictures,
        sequence,
        test.clusters,
        settings,
        progress=progress,
    )


def information_in(
    codes: dict[str, tuple[Tensor, Tensor]],
    pictures: tuple[Tensor, Tensor],
    sequence: np.ndarray,
    clusters: Clusters,
    settings: InformationSettings,
    *,
    progress: Progress | None = None,
) -> Information:
    """The same of codes and pictures at hand.

    codes: name -> (of the training pictures (N, C), of the test pictures (M, C)). pictures: the same, (., 3, P, P) in
    [-1, 1]. sequence: (N,) recordings of the training pictures. clusters: of the test pictures.
    """
    wanted, aims = pictures
    if len(wanted) < settings.batch:
        raise DataError(f"{len(wanted)} training pictures are less than a batch of {settings.batch}; use more frames.")
    total, done = len(codes) * (2 * settings.seeds + min(settings.shuffled, settings.seeds)), 0

    def errors(size: int, values: tuple[Tensor, Tensor] | None, seed: int) -> np.ndarray:
        nonlocal done
        if progress is not None:
            progress(done, total, stage="decoders")
        done += 1
        return decoded_errors(size, values, pictures, settings, seed)

    ratio, by_seed, null, ones = {}, {}, {}, {}
    for name, values in codes.items():
        size = values[0].shape[1]
        if settings.standardise:
            mean, std = values[0].mean(0), values[0].std(0).clamp(min=1e-6)
            values = ((values[0] - mean) / std, (values[1] - mean) / std)
        seeds = range(settings.seed, settings.seed + settings.seeds)
        base = np.stack([errors(size, None, seed) for seed in seeds])
        own = np.stack([errors(size, values, seed) for seed in seeds])
        others = []
        for seed, ones_of_seed in zip(seeds[: settings.shuffled], base, strict=False):
            partner = torch.from_numpy(shuffled_sequences(sequence, np.random.default_rng([seed, 17])))
            others.append(float(ones_of_seed.mean() / errors(size, (values[0][partner], values[1]), seed).mean()))
        ratio[name] = bootstrap_mean(base.mean(0), clusters, over=own.mean(0), seed=settings.seed)
        by_seed[name] = (base.mean(1) / own.mean(1)).tolist()
        null[name] = Interval(float(np.mean(others)), min(others), max(others)) if others else None
        ones[name] = float(base.mean())
    mean_picture = float(F.mse_loss(wanted.mean(0).expand_as(aims), aims))
    return Information(ratio, by_seed, null, ones, mean_picture, settings, len(wanted), len(aims))


def decoded_errors(
    size: int,
    codes: tuple[Tensor, Tensor] | None,
    pictures: tuple[Tensor, Tensor],
    settings: InformationSettings,
    seed: int,
) -> np.ndarray:
    """Train one decoder and return the squared error (M,) of every test picture, mean over its pixels and channels.

    codes: of training and test pictures; None: all-ones of that `size`. All-ones of a batch make one picture, whose
    gradient is that of the whole batch, so the decoder sees it once.
    """
    wanted, aims = pictures
    # One picture a step: casting all weights would cost more than reduced precision saves.
    precision = "float32" if codes is None else choose_precision(settings.precision, torch.device("cpu"))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = decoder(size, settings)
        optimiser = torch.optim.Adam(network.parameters(), settings.learning_rate, betas=(0.5, 0.999), fused=True)
        steps = settings.epochs * (len(wanted) // settings.batch)
        for step, batch in enumerate(_batches(len(wanted), settings)):
            if settings.decay:
                optimiser.param_groups[0]["lr"] = settings.learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
            picked = torch.ones(1, size) if codes is None else codes[0][batch]
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
                decoded = network(picked).float()
            loss = F.mse_loss(decoded.expand(len(batch), -1, -1, -1), wanted[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        if not torch.isfinite(loss):
            raise DataError("The loss of a decoder is not finite; lower its learning rate.")
        found = []
        with torch.no_grad():
            for start in range(0, len(aims), 100):
                aim = aims[start : start + 100]
                picked = torch.ones(1, size) if codes is None else codes[1][start : start + 100]
                found.append(((network(picked) - aim) ** 2).mean(dim=(1, 2, 3)))
    return torch.cat(found).double().numpy()


def _batches(count: int, settings: InformationSettings) -> Iterator[Tensor]:
    """Whole batches of every epoch, in an order that the seed draws."""
    for _ in range(settings.epochs):
        order = torch.randperm(count)
        yield from order[: count - count % settings.batch].split(settings.batch)


def crops(frames: FrameCodes, size: int) -> Tensor:
    """What each frame's box shows, (N, 3, size, size) in [-1, 1]; outside the frame it is the mean grey of ImageNet."""
    grey = torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    found = []
    for start in range(0, len(frames), 256):
        rows = frames.rows[start : start + 256]
        pictures = as_float(frames.dataset.read(rows), torch.device("cpu")) - grey
        found.append(2 * (resample(pictures, frames.box[start : start + 256], size, size) + grey) - 1)
    return torch.cat(found)
