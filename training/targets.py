"""What was asked of a self-supervised network, and whether the measurement holds it. Needs no PyTorch."""

from typing import Any, NamedTuple

CELL = ("held-out", "everyday")


class Target(NamedTuple):
    """One line: a number of the cell `CELL` that must be at least (or at most) `asked`.

    part, name, statistic: where it stands, e.g. ``cell["pictures"]["initial"]["median"]``.
    """

    what: str
    unit: str
    part: str
    name: str
    statistic: str
    at_least: bool
    asked: float


TARGETS = (
    Target("person-pixel PSNR", "dB", "pictures", "person_db", "mean", True, 20.5),
    Target("mask IoU", "", "pictures", "mask_iou", "mean", True, 0.85),
    Target("MPJPE, share of the mean pose's", "%", "poses", "mean_pose_ratio", "mean", False, 0.30),
    Target("MPJPE over the supervised ceiling's", "x", "poses", "mpjpe_of_supervised", "mean", False, 1.5),
    Target("initial error, mean", "mm", "pictures", "initial", "mean", False, 44.0),
    Target("initial error, median", "mm", "pictures", "initial", "median", False, 32.0),
    Target("initial error, share of own MPJPE", "%", "pictures", "initial_of_mpjpe", "mean", False, 0.60),
    Target("past the threshold before the attack", "%", "pictures", "initial_past", "mean", False, 0.03),
)


def check_targets(splits: dict[str, Any], *, given: bool = False) -> list[dict[str, Any]]:
    """Every line of `TARGETS` with what was measured, its interval (of a mean), and whether it holds.

    given: whether the network is told where the person is; its mask is then the dataset's own and measures nothing.
    splits: of an evaluation. What was not measured (no such cell, no decoder, no ceiling) has None in its place.
    """
    cell = splits.get(CELL[0], {}).get(CELL[1], {})
    lines = []
    for target in TARGETS:
        found = cell.get(target.part, {}).get(target.name) or {}
        measured = None if given and target.name == "mask_iou" else found.get(target.statistic)
        of_mean = target.statistic == "mean"
        holds = None
        if measured is not None:
            holds = measured >= target.asked if target.at_least else measured <= target.asked
        lines.append(
            {
                "what": target.what,
                "unit": target.unit,
                "name": target.name if of_mean else f"{target.name}.{target.statistic}",
                "asked": target.asked,
                "at_least": target.at_least,
                "measured": measured,
                "low": found.get("low") if of_mean else None,
                "high": found.get("high") if of_mean else None,
                "clustered_by": found.get("clustered_by") if of_mean else None,
                "holds": holds,
            }
        )
    return lines
