"""What each appearance attack by name is: where it walks, how far, how long, and what it begins from."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from turncoat.engine.attack.settings import (
    AttackSettings,
    Optimiser,
    bounds_of,
    code_budget,
    is_smallest,
    is_towards,
)
from turncoat.engine.attack.starts import random_starts
from turncoat.kernels.errors import ConfigError

BUDGET_STEP = 1.0
"""Length of a step of `budget-*`, in budgets; a budget beyond the natural ball counts as the ball's radius. Shorter
steps tend to find less, longer ones no more (docs/curves.md): projected, they are jumps to where the budget ends."""


@dataclass(frozen=True)
class Plan:
    """One appearance attack.

    Attributes:
        name: as in the column `setting`.
        whitened: whether it walks in whitened coordinates, or in the raw code.
        radius: of the ball around the mean of natural codes; None: unbounded.
        budget: how far it may go from the own code, in the same coordinates; None: as far as it likes.
        steps, step_size, optimiser: of every ascent.
        stop: whether a verified crossing of the threshold ends it. threshold_mm: that threshold.
        towards: whether it drives predictions to the goal of each sample; then the threshold is how near.
        halvings: rounds of bisection over the distance from the own code, after it has fooled.
        halving_steps: of the ascent in each.
        follows: the attack whose end it begins at; None: the own code.
        projects_start: whether that start is brought into its bounds before the first step.
    """

    name: str
    whitened: bool
    radius: float | None
    budget: float | None
    steps: int
    step_size: float
    optimiser: Optimiser
    stop: bool = True
    follows: str | None = None
    projects_start: bool = False
    threshold_mm: float = 175.0
    towards: bool = False
    halvings: int = 0
    halving_steps: int = 0

    @property
    def bound(self) -> float | None:
        """What the column `budget` shows."""
        return self.budget if self.budget is not None else self.radius

    def restart(self, own: Tensor, samples: Sequence[Mapping[str, Any]], seed: int, restart: int) -> Tensor:
        """Starts for samples whose own codes lie at `own`, (N, D); see `random_starts`."""
        return random_starts(own, samples, self.name, self.radius, self.step_size, seed, restart)


def radius_of(name: str, generator: Any, budget_factor: float = 1.0) -> float | None:
    """Radius of the ball around the mean in which the attack of that name stays; None: it is not bound so.

    Raises:
        ConfigError: the weights hold no statistics of natural codes, which all but `paper` need.
    """
    if bounds_of(name) == "paper":
        return None
    statistics = getattr(generator, "statistics", None)
    if statistics is None:
        raise ConfigError(
            f"The attack {name!r} needs statistics of natural appearance codes, and these weights hold "
            "none; run `turncoat fit-regressor` on them, or attack with `paper`."
        )
    return None if bounds_of(name) == "free" else budget_factor * float(statistics.radius_p99)


def budget_step(name: str, generator: Any, settings: AttackSettings) -> float | None:
    """Step size of `budget-*`, with which a step is `BUDGET_STEP` of its budget long; None of any other attack.

    The length holds for `gradient` and `sign`, and is the largest of `adam`.

    Raises:
        ConfigError: weights without statistics.
    """
    budget = code_budget(name)
    if budget is None:
        return None
    radius = radius_of(name, generator, settings.budget_factor) or budget
    return BUDGET_STEP * min(budget, radius) / math.sqrt(len(generator.statistics.mean))


def plan_of(name: str, generator: Any, settings: AttackSettings, step_size: float) -> Plan:
    """The plan of an attack under these settings.

    Raises:
        ConfigError: weights without statistics where it needs them.
    """
    radius = radius_of(name, generator, settings.budget_factor)
    budget = code_budget(name)
    budgets = sorted(
        (other for other in settings.appearance_attacks if code_budget(other) is not None),
        key=lambda other: code_budget(other) or 0.0,
    )
    before = budgets[budgets.index(name) - 1] if budget is not None and budgets.index(name) > 0 else None
    return Plan(
        name=name,
        whitened=bounds_of(name) != "paper",
        radius=radius,
        budget=budget,
        steps=settings.steps_of(name),
        step_size=step_size,
        optimiser=settings.optimiser_of(name),
        stop=budget is None,
        follows=before,
        projects_start=budget is not None,
        threshold_mm=settings.reach_mm if is_towards(name) else settings.threshold_mm,
        towards=is_towards(name),
        halvings=settings.smallest_rounds if is_smallest(name) else 0,
        halving_steps=settings.budget_iterations,
    )
