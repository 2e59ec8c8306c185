"""Budgets on the picture: how little an attacked frame may resemble the unattacked repainting."""

import torch
from torch import Tensor

from turncoat.engine.attack.pair import Pair, to_bytes
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.attack.similarity import similarity
from turncoat.engine.attack.slots import Slots, take
from turncoat.engine.attack.spaces import Codes
from turncoat.engine.attack.verified import reference_paint
from turncoat.export.attack_step import Painter

ROUNDS = 10
"""Halvings of the way to the own code: what is kept lies at most a thousandth of it short of the floor."""


class PictureFloor:
    """Brings codes whose picture falls below a floor back towards the own code, by bisection of the straight way.

    Pictures are compared as the columns `psnr_db` and `ssim` compare them: 8 bits, painted in float32, against the
    repainting with the own code. The own code itself always holds the floor.

    Args:
        pair, painter: paint in float32.
        space: of appearance codes; its limits know where the own code lies.
        psnr_db, ssim: the floors; None: there is none of that kind.
    """

    def __init__(
        self, pair: Pair, painter: Painter, space: Codes, *, psnr_db: float | None = None, ssim: float | None = None
    ) -> None:
        self._pair, self._painter, self._space = pair, painter, space
        self._floors = {name: floor for name, floor in (("psnr_db", psnr_db), ("ssim", ssim)) if floor is not None}

    @classmethod
    def asked(cls, pair: Pair, painter: Painter, space: Codes, settings: AttackSettings) -> "PictureFloor | None":
        """The floor that the settings ask for, if they do."""
        if settings.psnr_floor is None and settings.ssim_floor is None:
            return None
        return cls(pair, painter, space, psnr_db=settings.psnr_floor, ssim=settings.ssim_floor)

    def __call__(self, x: Tensor, slots: Slots) -> Tensor:
        """Coordinates (S, D) of these slots, those that fall below a floor moved; what is not finite stays."""
        own = slots.limits[1]
        synthesis = self._painted(own, slots)
        below = (~self._holds(x, slots, synthesis)).nonzero()[:, 0]
        if not len(below):
            return x
        some, synthesis, own = take(slots, below), synthesis[below], own[below]
        away = x[below] - own
        inside = torch.zeros(len(below), 1, device=x.device)
        outside = torch.ones_like(inside)
        for _ in range(ROUNDS):
            middle = (inside + outside) / 2
            held = self._holds(own + middle * away, some, synthesis)[:, None]
            inside, outside = torch.where(held, middle, inside), torch.where(held, outside, middle)
        x = x.clone()
        x[below] = own + inside * away
        return x

    def _painted(self, x: Tensor, slots: Slots) -> Tensor:
        appearance = self._space.appearance(x, slots.limits)
        return to_bytes(reference_paint(self._pair, self._painter, appearance, slots.canvas))

    def _holds(self, x: Tensor, slots: Slots, synthesis: Tensor) -> Tensor:
        found = similarity(self._painted(x, slots), synthesis)
        fell = torch.stack([found[name] < floor for name, floor in self._floors.items()]).any(dim=0)
        return ~fell | ~x.isfinite().all(dim=1)
