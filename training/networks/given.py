"""Networks that are told where the person is (UGAR, methods section 2): what they are told, and by whom.

Everything else asks `guide` or `guided_by` for a network's verbs and need not know the difference: a network that finds
the person itself comes back as it is, any other as a `Guided` one, which keeps the same protocols for its frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from turncoat.kernels import ConfigError
from turncoat.training.networks.protocols import Canvas, Codes, Given

if TYPE_CHECKING:
    from turncoat.training.data import Dataset

NOT_GIVEN = (
    "This network has no detector: it is given where the person is, in every frame; use `guide` with the dataset's box."
)


class Guided:
    """A network that was told where the people of one batch are: its verbs hold for those frames, in that order."""

    def __init__(self, network: Any, given: Given) -> None:
        self.network, self.given = network, given

    def encode(self, frames: Tensor) -> Codes:
        """(B, 3, H, W) float32 in [0, 1] -> `Codes`, whose box is the given one."""
        return self.network.encode(frames, given=self.given)

    def canvas(self, codes: Codes, background: Tensor) -> Canvas:
        """Decode once; the mask is the given one."""
        return self.network.canvas(codes, background, given=self.given)

    def paint(self, appearance: Tensor, canvas: Canvas) -> Tensor:
        """(B, 128) and a canvas -> frames (B, 3, H, W) in [0, 1]."""
        return self.network.paint(appearance, canvas)

    def predict(self, frames: Tensor) -> Tensor:
        """(B, 3, H, W) float32 in [0, 1] -> (B, 17, 3) float32 mm, camera axes, relative to joint 0."""
        return self.network.predict(frames, given=self.given)


def needs_given(*networks: Any) -> bool:
    """Whether any of the networks has to be told where the person is."""
    return any(getattr(network, "needs_given", False) for network in networks)


def guide(network: Any, given: Given | None) -> Any:
    """`network` itself if it finds the person, else the network that is told so; ConfigError if nobody tells it."""
    if not needs_given(network):
        return network
    if given is None:
        raise ConfigError(NOT_GIVEN)
    return Guided(network, given)


def guided_by(network: Any, dataset: Dataset, rows: Any, device: torch.device | str = "cpu") -> Any:
    """`guide` by a dataset, for its frames `rows`; nothing is read for a network that finds the person itself."""
    return guide(network, given_of(dataset, rows, device) if needs_given(network) else None)


def given_of(dataset: Dataset, rows: Any, device: torch.device | str = "cpu") -> Given:
    """The dataset's boxes and masks of the frames `rows`, all of them readable.

    The mask is 1 wherever the person covers any of a pixel: a crop painted with its background has blended edges.
    """
    from turncoat.training.data.boxes import given_box

    box = torch.from_numpy(given_box(dataset.person_box(rows), dataset.size))
    mask = torch.from_numpy(dataset.masks(rows) > 0).float()
    return Given(box.to(device), mask.to(device))
