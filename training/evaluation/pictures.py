"""What a repainting gets wrong, and how far each part of it alone moves the prediction."""

from typing import Any

import torch
from torch import Tensor

from turncoat.kernels.composite import blend
from turncoat.kernels.pose_error import mpjpe
from turncoat.kernels.resample import invert_box, resample
from turncoat.training.checkpoint import Network
from turncoat.training.data import Dataset
from turncoat.training.data.tensors import as_float
from turncoat.training.networks import Codes, guided_by

OWN_COLOUR = 0.1
"""The person's own colour is read off pixels that the person covers by at least this much; below, rounding hides it."""


def picture_errors(
    network: Network, dataset: Dataset, rows: Any, frames: Tensor, codes: Codes, clean: Tensor
) -> dict[str, Tensor]:
    """Errors of the synthesis of frames (N, 3, H, W): name -> (N,), each frame's own.

    codes: of the frames. clean: the poses (N, 17, 3) mm that are predicted on them. All lie where the network does,
    and so do the errors.

    The initial error (Algorithm 1, line 4) is the distance between predictions on a frame and on its synthesis. Its
    parts, each a picture over the empty background with one thing the network's and the rest true:

    mask: the network's mask; the person's own colours under it, and the decoder's where it reaches past the person, so
        that a mask that is too large shows a halo and one that is too small cuts the person.
    RGB: the decoder's colours through the true mask.
    box: the person's own colours, cropped and uncropped, through the true mask: what box and resolution cost.

    The parts overlap and do not add up: wrong colours matter only where there is a mask, and the box is in all of them.
    Beside each number what knowing less scores: the empty background's PSNR, the IoU of the person's rectangle, how
    far the prediction moves when the person is not painted at all, and how far apart two frames' predictions are.
    """
    background = as_float(dataset.background(rows), frames.device)
    true_mask = as_float(dataset.masks(rows), frames.device)
    height, width = frames.shape[-2:]
    inverse = invert_box(codes.box)
    guided = guided_by(network, dataset, rows, frames.device)
    canvas = guided.canvas(codes, background)
    synthesis, full_mask = network.paint(codes.appearance, canvas), canvas.mask
    everywhere = canvas._replace(mask=torch.ones_like(full_mask), base=torch.zeros_like(background))
    uncropped = network.paint(codes.appearance, everywhere)
    size = network.settings.crop_size
    crop = resample(frames, codes.box, size, size)
    through_crop = resample(crop, inverse, height, width, padding="border").clamp(0, 1)
    own = own_colours(frames, true_mask, background)
    boxed = resample(resample(own, codes.box, size, size), inverse, height, width, padding="border").clamp(0, 1)
    masked = torch.where(true_mask >= OWN_COLOUR, own, uncropped)

    def over(colours: Tensor, mask: Tensor) -> Tensor:
        return blend(colours, mask, background)

    def moved(picture: Tensor) -> Tensor:
        return mpjpe(guided.predict(picture), clean)

    person = (true_mask > 0.5).float()
    return {
        "person_db": decibels(synthesis, frames, person),
        "background_db": decibels(background, frames, person),
        "crop_limit_db": decibels(through_crop, frames, person),
        "mask_iou": iou((full_mask > 0.5).float(), person),
        "rectangle_iou": iou(rectangle(person), person),
        "initial": moved(synthesis),
        "initial_mask": moved(over(masked, full_mask)),
        "initial_rgb": moved(over(uncropped, true_mask)),
        "initial_box": moved(over(boxed, true_mask)),
        "unpainted": moved(background),
    }


def own_colours(frames: Tensor, mask: Tensor, background: Tensor) -> Tensor:
    """The person's colours (B, 3, H, W) with no background in them: of ``frame = mask own + (1 - mask) background``.

    Where the person covers less than `OWN_COLOUR` of a pixel the frame is kept.
    """
    own = (frames - (1 - mask) * background) / mask.clamp(min=OWN_COLOUR)
    return torch.where(mask >= OWN_COLOUR, own, frames).clamp(0, 1)


def decibels(picture: Tensor, frames: Tensor, pixels: Tensor) -> Tensor:
    """PSNR (B,) of each of the frames, in [0, 1], over the chosen pixels (B, 1, H, W)."""
    squared = ((picture - frames) ** 2 * pixels).sum((1, 2, 3)) / (3 * pixels.sum((1, 2, 3)) + 1e-6)
    return -10 * torch.log10(squared + 1e-9)


def iou(painted: Tensor, person: Tensor) -> Tensor:
    """Intersection over union (B,) of two sets of pixels (B, 1, H, W), 0 or 1; 0 where both are empty."""
    union = torch.maximum(person, painted).sum((1, 2, 3)).clamp(min=1)
    return (person * painted).sum((1, 2, 3)) / union


def rectangle(person: Tensor) -> Tensor:
    """The tightest rectangle around each set of pixels (B, 1, H, W), filled: a box that knows no silhouette."""

    def span(line: Tensor, dimension: int) -> Tensor:
        """1 between the first and the last 1 along `dimension`."""
        back = line.flip(dimension).cummax(dimension).values.flip(dimension)
        return line.cummax(dimension).values * back

    return span(person.amax(3, keepdim=True), 2) * span(person.amax(2, keepdim=True), 3)
