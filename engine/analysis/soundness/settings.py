"""What a soundness check tries, and on how much."""

from typing import Literal

from pydantic import Field, field_validator

from turncoat.engine.attack import AttackSettings
from turncoat.engine.attack.settings import Optimiser
from turncoat.kernels.settings import Settings

KINDS = ("longer", "restarts", "steps", "optimisers", "search", "precision", "budgets", "gradient")
"""What can be left out."""


class SoundnessSettings(Settings):
    """Settings of `check_soundness`.

    Attributes:
        setting: the appearance attack that is checked.
        optimiser: of that attack; None: the one that attacks of this name take by default.
        step_size: of that attack; None: what the weights recorded, else chosen on validation frames.
        frames: attacked, in equal parts of every subject of `split`, of the actions of `group`.
        iterations: of the attack that is checked. longer: how many times as many its longer variant makes.
        starts: of the attack that is checked. restarts: how many times as many a variant makes.
        step_factors: of the variants with other step sizes.
        budgets: radii in that of the ball of `natural`; not for attacks without a bound.
        gradient_frames: on which gradients are held against finite differences.
        without: kinds of variants that are left out, of `KINDS`.
        threshold_mm, precision, batch, seed, device: as in `AttackSettings`.
    """

    setting: Literal["natural", "paper", "free"] = "natural"
    optimiser: Optimiser | None = None
    step_size: float | None = Field(default=None, gt=0)
    split: str = "held-out"
    group: str = "everyday"
    frames: int = Field(default=100, ge=1)
    iterations: int = Field(default=500, ge=2)
    longer: int = Field(default=4, ge=2)
    starts: int = Field(default=1, ge=1)
    restarts: int = Field(default=4, ge=2)
    step_factors: tuple[float, ...] = (0.1, 0.3, 3.0, 10.0)
    budgets: tuple[float, ...] = (0.5, 0.75, 1.5, 2.0, 3.0)
    gradient_frames: int = Field(default=16, ge=1)
    without: tuple[str, ...] = ()
    threshold_mm: float = Field(default=175.0, gt=0)
    precision: Literal["float32", "bfloat16", "auto"] = "auto"
    batch: int = Field(default=64, ge=1)
    seed: int = Field(default=0, ge=0)
    device: str = "auto"

    @field_validator("step_factors", "budgets")
    @classmethod
    def _factors(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(factor <= 0 or factor == 1 for factor in value) or len(set(value)) < len(value):
            raise ValueError(
                f"the factors are {value}; each has to be above 0, not 1 (the attack itself), and there once"
            )
        return tuple(sorted(value))

    @field_validator("without")
    @classmethod
    def _kinds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in KINDS:
                raise ValueError(f"{name!r} cannot be left out; {', '.join(KINDS)} can")
        return value

    def quick(self) -> "SoundnessSettings":
        """The same in a few minutes: fewer frames, iterations and variants, and so wider intervals."""
        return self.model_copy(
            update={
                "frames": min(self.frames, 25),
                "iterations": min(self.iterations, 40),
                "restarts": 3,
                "step_factors": (0.3, 3.0),
                "budgets": (2.0,),
                "gradient_frames": 8,
                "without": tuple(dict.fromkeys([*self.without, "precision"])),
            }
        )

    def attack(self) -> AttackSettings:
        """Settings of the attack that is checked. Nobody judges: only the target's pose is asked for."""
        return AttackSettings(
            attacks=(self.setting,),
            iterations=self.iterations,
            restarts=self.starts,
            threshold_mm=self.threshold_mm,
            optimiser={} if self.optimiser is None else {self.setting: self.optimiser},
            step_size={} if self.step_size is None else {self.setting: self.step_size},
            precision=self.precision,
            batch=self.batch,
            seed=self.seed,
            device=self.device,
            judge=None,
        )
