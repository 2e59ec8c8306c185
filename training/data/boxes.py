"""Where a dataset says that the person is, as a crop box: for networks without a detector, and as others' label."""

import numpy as np

MARGIN = 1.2
"""Side of the box over that of the tight rectangle. [choice]: a limb in the next frame of a video stays inside."""
STRETCH = 1.42
"""At most so much longer in one direction than in the other. [choice]: as in the crop prior of preset studio
(`losses.box`), since detected boxes are upright too; a square would waste half of a standing person's crop."""
SMALLEST = 0.2
"""Smallest scale, the detector's (methods 1.2)."""


def given_box(person: np.ndarray, size: int) -> np.ndarray:
    """The crop box around a person.

    Args:
        person: (N, 4) x0, y0, x1, y1 in pixels, edges, the centre of the upper left pixel at (.5, .5), as
            `Dataset.person_box` gives it.
        size: height and width of the frame in pixels.

    Returns:
        (N, 4) float32, (scale_x, scale_y, shift_x, shift_y) in normalised coordinates, align_corners=True: centred on
        the rectangle, `MARGIN` times as large, lengthened to `STRETCH` where it is too narrow or too flat. It may reach
        over the frame's border, where a crop is padded.
    """
    edges = 2 * (np.asarray(person, dtype=np.float64) - 0.5) / (size - 1) - 1  # pixel index p lies at p + .5
    low, high = edges[:, :2], edges[:, 2:]
    scale = MARGIN * (high - low) / 2
    scale = np.maximum(np.maximum(scale, scale[:, ::-1] / STRETCH), SMALLEST)
    return np.concatenate([scale, (low + high) / 2], axis=1).astype(np.float32)
