"""How far mixtures of two people lie from either, and how much of the way from A to B they have gone."""

import numpy as np

from turncoat.engine.analysis.intervals import Clusters, Interval, bootstrap_mean
from turncoat.engine.analysis.repaint.exchange import Looks, Order
from turncoat.engine.analysis.repaint.parts import along, distance
from turncoat.kernels.pose_error import mpjpe

WHAT = ("clothes", "pose", "outline")
"""What goes from A to B: the colours worn, the pose that the network predicts, and the mask that it paints."""
MEASURED = ("pose_to_a", "pose_to_b", "clothes_to_a", "clothes_to_b", *(f"{what}_share" for what in WHAT))


class Step:
    """How far pictures lie from A and from B, and how far along the way between them; all (N,).

    What is the same in A and in B has no way between them: NaN.
    """

    def __init__(self, looks: Looks, own: Looks, end: Looks, apart: float) -> None:
        self.pose_to_a, self.pose_to_b = mpjpe(looks.pose, own.pose), mpjpe(looks.pose, end.pose)
        self.clothes_to_a, self.clothes_to_b = (distance(looks.colours, each.colours) for each in (own, end))
        way = end.pose - own.pose
        self.pose_far = _above_nothing((way**2).sum(axis=(1, 2)))
        self.pose_dot = ((looks.pose - own.pose) * way).sum(axis=(1, 2))
        drawn, shape = (each.mask.astype(np.float64) - own.mask for each in (looks, end))
        self.outline_far = _above_nothing((shape**2).sum(axis=(1, 2)))
        self.outline_dot = (drawn * shape).sum(axis=(1, 2))
        worn = along(looks.colours - own.colours, end.colours - own.colours, apart)
        there = np.isfinite(worn.far).any(axis=1)
        self.clothes_far, self.clothes_dot = (
            np.where(there, np.nansum(each, axis=1), np.nan) for each in (worn.far, worn.dot)
        )

    def parts(self, what: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Of one of `MEASURED`: what is averaged, and what it is to be divided by."""
        if what.endswith("_share"):
            name = what.removesuffix("_share")
            return getattr(self, f"{name}_dot"), getattr(self, f"{name}_far")
        return getattr(self, what), None

    def shares(self, name: str) -> np.ndarray:
        """Values (N,) whose mean is the share of the way, and whose spread is that of the share (its linearisation)."""
        dot, far = self.parts(f"{name}_share")
        assert far is not None
        if not np.isfinite(far).any():
            return np.full(len(far), np.nan)
        share = np.nansum(dot[np.isfinite(far)]) / np.nansum(far)
        found: np.ndarray = share + (dot - share * far) / np.nanmean(far)
        return found


def _above_nothing(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, np.nan)


def curves_of(steps: list[Step], clusters: Clusters) -> dict[str, tuple[Interval, ...]]:
    """`MEASURED` -> an interval for every step."""
    found = {}
    for what in MEASURED:
        parts = [step.parts(what) for step in steps]
        found[what] = tuple(bootstrap_mean(values, clusters, over=over) for values, over in parts)
    return found


def leads_of(ladder: tuple[int, ...], steps: dict[Order, list[Step]], clusters: Clusters) -> dict[str, Interval]:
    """See `Channels.lead`. Means over K are by trapezes."""
    places = np.array(ladder, dtype=np.float64)
    ahead = {}
    for name in WHAT:
        shares = [
            high.shares(name) - any_.shares(name) for high, any_ in zip(steps["highest"], steps["random"], strict=True)
        ]
        ahead[name] = np.trapezoid(np.stack(shares), places, axis=0) / (places[-1] - places[0])
    ahead["separation"] = ahead["clothes"] - ahead["pose"]
    ahead["separation_outline"] = ahead["clothes"] - ahead["outline"]
    return {name: bootstrap_mean(values, clusters) for name, values in ahead.items()}
