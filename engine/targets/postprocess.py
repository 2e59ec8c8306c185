"""From a foreign target's numbers to poses as turncoat means them: our joints and order, mm, camera axes."""

from typing import Any

import torch
from torch import Tensor, nn

from turncoat.engine.targets.description import AXES, HIPS, OutputSettings, places
from turncoat.kernels.errors import ConfigError
from turncoat.kernels.skeleton import JOINTS


class Postprocess(nn.Module):
    """Pick, turn, scale, and lay the root at the origin.

    Attributes:
        joints: our numbers of the joints that come out, rising.
        root_joints: our numbers of those whose mean lies at the origin.
    """

    pick: Tensor
    turn: Tensor
    root: Tensor

    def __init__(self, settings: OutputSettings, name: str) -> None:
        super().__init__()
        self.settings, self.name = settings, name
        self.joints = settings.numbers_of_joints
        roots = HIPS if settings.root == "hips" else ("pelvis",)
        self.root_joints = tuple(sorted(JOINTS.index(joint) for joint in roots))
        pick = torch.zeros(len(self.joints), settings.count)
        for row, joint in enumerate(self.joints):
            mine = places(settings.joints[JOINTS[joint]])
            for place in mine:
                pick[row, place] += 1 / len(mine)
        turn = torch.zeros(3, 3)
        for row, axis in enumerate(settings.axes):
            turn[row, AXES.index(axis.removeprefix("-"))] = -1.0 if axis.startswith("-") else 1.0
        root = torch.zeros(1, len(self.joints))
        root[0, [self.joints.index(joint) for joint in self.root_joints]] = 1 / len(self.root_joints)
        for key, value in (("pick", pick), ("turn", turn * settings.millimetres), ("root", root)):
            self.register_buffer(key, value, persistent=False)

    def forward(self, numbers: Tensor) -> Tensor:
        """(B, ...) with count * numbers values each -> poses (B, J, 3) mm.

        A joint that is not picked does not spoil a pose, whatever its numbers are.

        Raises:
            ConfigError: so many numbers cannot be the joints that were described.
        """
        wanted = self.settings
        if not _is_list(numbers.shape, wanted):
            raise ConfigError(
                f"The target {self.name!r} answered with an array of shape {tuple(numbers.shape)}; expected "
                f"{wanted.count} joints of {wanted.numbers} numbers each, (batch, {wanted.count}, {wanted.numbers}); "
                "correct [output] name, count or numbers."
            )
        found = numbers.reshape(len(numbers), wanted.count, wanted.numbers)[..., :3].float()
        used = self.pick.sum(dim=0) > 0
        pose = self.pick[:, used] @ found[:, used] @ self.turn.T
        return pose - self.root @ pose


def chosen(answer: Any, output: str | int | None, name: str) -> Any:
    """The output that holds the joints, of a callable that may return several.

    Raises:
        ConfigError: there are several and none is chosen, or the one that is chosen is not there.
    """
    if isinstance(answer, dict):
        known: list[Any] = list(answer)
    elif isinstance(answer, (tuple, list)):
        known = list(range(len(answer)))
    else:
        return answer
    key = output if output is not None else known[0] if len(known) == 1 else None
    if key not in known:
        raise ConfigError(
            f"The target {name!r} returns {', '.join(map(repr, known))}, and [output] name is {output!r}; "
            "name one of them."
        )
    return answer[key]


def _is_list(shape: torch.Size, wanted: OutputSettings) -> bool:
    """Whether a shape is (B, count * numbers) or (B, count, numbers), apart from ones."""
    sides = [side for side in shape[1:] if side != 1]
    return sides in ([wanted.count * wanted.numbers], [side for side in (wanted.count, wanted.numbers) if side != 1])
