"""Gradients of targets that have none, estimated from predictions alone.

Around the present code, the objective is asked for at pairs of opposite points, and the differences along random
directions are added up:

    gradient_z ~ mean_i (f(z + radius u_i) - f(z - radius u_i)) / (2 radius) u_i

with standard normal u_i (NES) or coordinates of +1 and -1 (SPSA, whose 1 / u is u). z are whitened coordinates where
the generator has statistics, so that a radius means the same for every network and no direction is asked for that
natural codes do not have.

Sources: Wierstra et al. 2014 and Ilyas et al. 2018 (NES, antithetic); Spall 1992 and Uesato et al. 2018 (SPSA).
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from turncoat.engine.attack.identity import Asker, generator_of
from turncoat.engine.attack.slots import take
from turncoat.engine.targets.description import QuerySettings
from turncoat.export.attack_step import Objective, objective_value
from turncoat.training.networks import Given, guide

BATCH = 32  # frames painted and asked about together


class QueryStep:
    """In place of `export.attack_step`, for a target that is asked only for predictions.

    Args:
        settings: how it is asked.
        seed: of the directions, together with the askers.
        statistics: of the generator's natural codes; None: directions are those of the code itself.
        generator: the painter that these statistics belong to; other painters (of colours) have none.

    Attributes:
        queries: predictions that `step` has asked for, by asker, since they were last taken.
    """

    def __init__(self, settings: QuerySettings, seed: int, statistics: Any = None, generator: Any = None) -> None:
        self.settings, self.seed, self.generator = settings, seed, generator
        self.queries: Counter[Asker] = Counter()
        self._factor = None if statistics is None else torch.as_tensor(statistics.factor, dtype=torch.float64)

    @property
    def per_step(self) -> int:
        """Predictions that one step costs each sample: the point itself, and both points of each pair."""
        return 1 + 2 * self.settings.pairs

    def step(
        self,
        target: Any,
        painter: Any,
        appearance: Tensor,
        canvas: Any,
        reference: Tensor,
        joint_weight: Tensor,
        sign: Tensor | float,
        *,
        askers: Sequence[Asker],
        iteration: Sequence[int] | Tensor,
        objective: Objective = "squared",
        given: Given | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The answer of `export.attack_step`, from predictions alone, in float32.

        Args:
            target: whose `predict` is asked.
            painter, appearance, canvas, reference, joint_weight, sign, objective: as in `attack_step`.
            askers: (B,) for which sample and restart each row is.
            iteration: (B,) step that each row is at. The same (seed, asker, iteration) has the same directions,
                whatever is computed beside it.
            given: where the people are, for a target that is told.

        Returns:
            pose (B, J, 3) mm at the appearance itself; estimate of the gradient, shape of `appearance`. A row in which
            any prediction is not finite has a gradient that is not.
        """
        factor = self._factor_for(painter, appearance)
        ages = iteration.tolist() if isinstance(iteration, Tensor) else list(iteration)
        directions = self._directions(appearance, askers, ages)  # (B, P, D)
        radius = self.settings.radius if appearance.ndim == 2 else self.settings.colour_radius
        offset = directions * radius if factor is None else radius * directions @ factor.T.float()
        at = torch.stack([offset, -offset], dim=2).flatten(1, 2)  # (B, 2 P, D)
        at = torch.cat([torch.zeros_like(at[:, :1]), at], dim=1)
        points = appearance[:, None] + at.view(len(at), -1, *appearance.shape[1:])  # (B, 1 + 2 P, ...)

        poses = self._ask(target, painter, points.flatten(0, 1), canvas, given)
        repeated = reference.repeat_interleave(self.per_step, dim=0)
        signs = torch.as_tensor(sign, dtype=torch.float32, device=appearance.device).expand(len(appearance))
        value = objective_value(
            poses, repeated, joint_weight, signs.repeat_interleave(self.per_step), objective=objective
        ).view(len(appearance), self.per_step)
        slope = (value[:, 1::2] - value[:, 2::2]) / (2 * radius)  # (B, P)
        estimate = (slope[:, :, None] * directions).mean(dim=1)  # (B, D), in the coordinates of the directions
        if factor is not None:
            # g_z = factor^T g_h, so that the attack's space finds g_z again; solved in float64, as coordinates are.
            estimate = torch.linalg.solve_triangular(factor.T, estimate.double().T, upper=True).T.float()
        self.queries.update({asker: self.per_step for asker in askers})
        pose = poses.view(len(appearance), self.per_step, *poses.shape[1:])[:, 0]
        return pose, estimate.view_as(appearance)

    def taken(self, askers: Sequence[Asker]) -> list[int]:
        """Predictions asked for by these askers; they start again from 0."""
        return [self.queries.pop(asker, 0) for asker in askers]

    def _factor_for(self, painter: Any, appearance: Tensor) -> Tensor | None:
        if self._factor is None or painter is not self.generator:
            return None
        return self._factor.to(appearance.device)

    def _directions(self, appearance: Tensor, askers: Sequence[Asker], iteration: Sequence[int]) -> Tensor:
        """(B, P, D), one set for each row."""
        size = (self.settings.pairs, int(np.prod(appearance.shape[1:])))
        rows = []
        for asker, age in zip(askers, iteration, strict=True):
            purpose = f"{self.settings.estimator} {asker.purpose} {age}"
            random = generator_of(self.seed, asker.sample_id, asker.restart, purpose)
            normal = self.settings.estimator == "nes"
            rows.append(random.standard_normal(size) if normal else random.integers(0, 2, size) * 2.0 - 1)
        return torch.from_numpy(np.stack(rows).astype(np.float32)).to(appearance.device)

    def _ask(self, target: Any, painter: Any, points: Tensor, canvas: Any, given: Given | None) -> Tensor:
        """Poses for points (B * K, ...), K after another for each row of the canvas; a batch at a time."""
        rows = torch.arange(len(points), device=points.device)
        poses = []
        with torch.no_grad():
            for piece in rows.split(BATCH):
                row = piece // self.per_step
                frames = painter.paint(points[piece], take(canvas, row))
                poses.append(guide(target, take(given, row)).predict(frames).float())
        return torch.cat(poses)
