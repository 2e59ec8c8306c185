"""What an attack may do, how long, and what it writes down."""

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from turncoat.export.attack_step import Objective
from turncoat.kernels.settings import Settings

APPEARANCE_ATTACKS = ("paper", "free", "natural")
COLOUR_ATTACKS = ("colours-0.1", "colours-0.2", "colours-free")
TOWARDS, SMALLEST = ("towards", "towards-free", "towards-paper"), ("smallest", "smallest-free")
PIXEL_ATTACKS = ("pixels-8",)
AUTO, MIRROR = "auto", "mirror"
TORCH = "torch"

Optimiser = Literal["adam", "sign", "gradient", "random"]
OPTIMISERS: tuple[str, ...] = get_args(Optimiser)
"""How an appearance attack moves, with `s` its step size and D the number of coordinates.

``adam``: as in Algorithm 1. ``sign``: s times the sign of every coordinate of the gradient. ``gradient``: along the
gradient, s sqrt(D) long, that is as far as `sign`. ``random``: no gradient; draws from the budget, then a hill climb
(`search.py`).
"""
DEFAULT_OPTIMISERS: dict[str, Optimiser] = {"paper": "adam", "free": "adam", "natural": "gradient"}
"""Budgets have that of `natural`. In a ball Adam stops far from the strongest point: it fooled 10 % where plain steps
fool 82 % (docs/findings.md)."""
_BUDGET = re.compile(r"budget-(\d*\.?\d+)")
_COLOURS = re.compile(r"colours-(free|0?\.\d*[1-9]\d*)")
_PIXELS = re.compile(r"pixels-([1-9]\d*)")


class AttackSettings(Settings):
    """Settings of an attack; saved in run.json.

    Attributes:
        attacks: which attacks, by the name that the column `setting` shows. `paper`: the raw appearance code, unbounded
            (Algorithm 1 to the letter); `free`: whitened, unbounded; `natural`: whitened, kept inside the ball that
            holds 99 % of natural codes; `budget-4` (any distance in whitened coordinates): natural and at most so far
            from the own code, all steps made, the strongest counts; `smallest`, `smallest-free`: the smallest distance
            from the own code that reaches the threshold, natural or unbounded; `towards`, `towards-free`,
            `towards-paper`: towards a pose instead of away from one; `pixels-8`: every pixel by at most so many grey
            levels; `colours-0.1`, `colours-0.2` (any budget in
            (0, 1)), `colours-free`: the garments' colours, at most so far from their own, or anywhere in [.05, .95].
        threshold_mm: an error (MPJPE, whatever the objective) past it ends the attack.
        towards: where `towards*` drives the prediction: the prediction on another sample, by its id; the pose in a .npy
            file, (17, 3) mm; `mirror`, the own clean prediction with left and right exchanged.
        reach_mm: an error to that pose below it ends the attack.
        smallest_rounds: how often `smallest*` halves the interval that holds the distance it looks for.
        psnr_floor, ssim_floor: attacks on a code may not take the picture further from the unattacked repainting than
            that (dB; SSIM), as the columns psnr_db and ssim count; None: as far as they like.
        iterations: largest number of steps on an appearance code, from each start.
        restarts: starts of an appearance attack. Restart 0 is the own code, the others are drawn by (seed, sample,
            restart); a sample that is fooled is not started again, and of the others the strongest end is kept.
        optimiser: one for all appearance attacks or one for each; those that are not named have their default. See
            `OPTIMISERS`: `adam`; `sign` and `gradient`, plain steps without memory; `random`, a search that asks for
            no gradient at all.
        budget_factor: how much larger than that of 99 % of natural codes the ball of `natural` is. 1 but for controls.
        step_size: step of the ascent, one number for all appearance attacks or one for each; empty: what the weights
            recorded, else chosen on validation frames.
        step_size_frames, step_size_iterations: frames and iterations that the choice is made on.
        colour_iterations: number of gradient steps on colours; all are made, the strongest colours count.
        draws: how many random colours, or other people's codes, a control takes the strongest of.
        controls: whether controls stand beside the attacks.
        judge: an independent network that is asked whether it still sees the old pose: shipped name or path of weights;
            `auto`: the shipped `judge`, where there is one for frames of this size; None or `none`: nobody.
        objective: what is climbed: the squared distance of Algorithm 1, line 9, or MPJPE, N-MPJPE, PA-MPJPE.
        pixel_iterations: number of steps of `pixels-*`; all are made, the strongest picture counts.
        precision: of the attack's steps. Admission and verification are always float32. `auto` is bfloat16 where the
            processor computes in it, else float32.
        backend: what takes the steps of appearance attacks. `torch`: PyTorch eagerly, in `precision`; `auto`: the
            fastest backend that is right on this machine; or one by name, `torch-compiled-bfloat16`,
            `onnxruntime-cpu`, `tensorrt` ... (docs/runtime.md), in the precision that it has.
        batch: samples that are computed together, which is the number of slots in flight; changes speed only.
        look_every: steps between two looks at which samples are done; changes speed only, and only on GPUs.
        budget_iterations: steps of `budget-*`, all of which are made.
        seed: of all randomness, together with sample and purpose.
        device: a torch device, or `auto`: where the network lies.
    """

    attacks: tuple[str, ...] = ("paper", "natural")
    threshold_mm: float = Field(default=175.0, gt=0)
    towards: str | None = None
    reach_mm: float = Field(default=50.0, gt=0)
    smallest_rounds: int = Field(default=6, ge=1)
    psnr_floor: float | None = Field(default=None, gt=0, lt=100)
    ssim_floor: float | None = Field(default=None, gt=0, lt=1)
    iterations: int = Field(default=500, ge=1)
    restarts: int = Field(default=1, ge=1)
    optimiser: dict[str, Optimiser] = Field(default_factory=dict)
    budget_factor: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    step_size: dict[str, float] = Field(default_factory=dict)
    step_size_frames: int = Field(default=50, ge=1)
    step_size_iterations: int = Field(default=100, ge=1)
    colour_iterations: int = Field(default=60, ge=1)
    pixel_iterations: int = Field(default=20, ge=1)
    draws: int = Field(default=20, ge=1)
    controls: bool = True
    judge: str | None = AUTO
    objective: Objective = "squared"
    precision: Literal["float32", "bfloat16", "auto"] = "float32"
    backend: str = TORCH
    batch: int = Field(default=64, ge=1)
    look_every: int = Field(default=1, ge=1)
    budget_iterations: int = Field(default=60, ge=1)
    seed: int = Field(default=0, ge=0)
    device: str = "auto"

    @field_validator("attacks", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("attacks")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not is_appearance(name) and not _COLOURS.fullmatch(name) and pixel_budget(name) is None:
                known = (*APPEARANCE_ATTACKS, "budget-4", *SMALLEST, *TOWARDS, *COLOUR_ATTACKS, *PIXEL_ATTACKS)
                raise ValueError(f"there is no attack {name!r}; there are {', '.join(known)}")
        if not value or len(set(value)) < len(value):
            raise ValueError("name at least one attack, and each only once")
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> "AttackSettings":
        goals = [name for name in self.attacks if is_towards(name)]
        others = [name for name in self.attacks if not is_appearance(name)]
        if goals and self.towards is None:
            raise ValueError(
                f"{goals[0]!r} drives towards a pose; say which by `towards`: a sample's id, a .npy file or {MIRROR!r}"
            )
        if self.towards is not None and not goals:
            raise ValueError(
                f"`towards` is {self.towards!r}, but no attack goes there; name one of the attacks {', '.join(TOWARDS)}"
            )
        floors = [name for name in ("psnr_floor", "ssim_floor") if getattr(self, name) is not None]
        if floors and others:
            raise ValueError(
                f"`{floors[0]}` bounds attacks on the appearance code; {', '.join(others)} have budgets of their "
                "own, so attack by them in another run"
            )
        for name in self.appearance_attacks:
            if self.optimiser_of(name) == "random" and (floors or is_towards(name) or is_smallest(name)):
                raise ValueError(
                    f"{name!r}{f' with {floors[0]}' if floors else ''} follows gradients; the optimiser random has none"
                )
        return self

    @field_validator("judge")
    @classmethod
    def _nobody(cls, value: str | None) -> str | None:
        return None if value == "none" else value

    @field_validator("step_size", "optimiser", mode="before")
    @classmethod
    def _for_all(cls, value: Any) -> Any:
        if value is None:
            return {}
        return value if isinstance(value, Mapping) else dict.fromkeys(APPEARANCE_ATTACKS, value)

    @field_validator("step_size")
    @classmethod
    def _sizes(cls, value: dict[str, float]) -> dict[str, float]:
        for name, size in value.items():
            if not is_appearance(name):
                raise ValueError(f"{name!r} has no step size; {', '.join(APPEARANCE_ATTACKS)} have")
            if size <= 0:
                raise ValueError(f"the step size of {name!r} is {size}; it has to be above 0")
        return value

    @field_validator("optimiser")
    @classmethod
    def _of_appearance(cls, value: dict[str, Optimiser]) -> dict[str, Optimiser]:
        for name in value:
            if not is_appearance(name):
                raise ValueError(f"{name!r} has no choice of optimiser; {', '.join(APPEARANCE_ATTACKS)} have")
        return value

    def optimiser_of(self, name: str) -> Optimiser:
        """The optimiser of the appearance attack of that name."""
        like = bounds_of(name)
        return self.optimiser.get(name, self.optimiser.get(like, DEFAULT_OPTIMISERS[like]))

    @property
    def appearance_attacks(self) -> tuple[str, ...]:
        """Those of `attacks` that change an appearance code."""
        return tuple(name for name in self.attacks if is_appearance(name))

    @property
    def colour_attacks(self) -> tuple[str, ...]:
        """Those of `attacks` that change the garments' colours."""
        return tuple(name for name in self.attacks if family_of(name) == "colours")

    @property
    def pixel_attacks(self) -> tuple[str, ...]:
        """Those of `attacks` that change every pixel as they like."""
        return tuple(name for name in self.attacks if family_of(name) == "pixels")

    def steps_of(self, name: str) -> int:
        """Largest number of steps of one ascent of an attack."""
        return int(getattr(self, steps_setting(name)))


def is_appearance(name: str) -> bool:
    """Whether the attack of that name changes an appearance code."""
    return name in APPEARANCE_ATTACKS or code_budget(name) is not None or is_towards(name) or is_smallest(name)


def is_towards(name: str) -> bool:
    """Whether that attack drives the prediction towards a pose."""
    return name in TOWARDS


def is_smallest(name: str) -> bool:
    """Whether that attack looks for the smallest change of the code."""
    return name in SMALLEST


def family_of(name: str) -> str:
    """What an attack changes, as the column `attack` says it: appearance, colours or pixels."""
    return "appearance" if is_appearance(name) else "pixels" if name.startswith("pixels") else "colours"


def steps_setting(name: str) -> str:
    """The setting that holds the largest number of steps of one ascent of an attack."""
    if code_budget(name) is not None:
        return "budget_iterations"
    return {"colours": "colour_iterations", "pixels": "pixel_iterations"}.get(family_of(name), "iterations")


def bounds_of(name: str) -> str:
    """The attack among `paper`, `free` and `natural` that walks where this attack on a code does."""
    if name in APPEARANCE_ATTACKS:
        return name
    return next((bounds for bounds in ("paper", "free") if name.endswith(f"-{bounds}")), "natural")


def code_budget(name: str) -> float | None:
    """How far from the own code, in whitened coordinates, `budget-*` may go; None for other attacks."""
    found = _BUDGET.fullmatch(name)
    return float(found[1]) if found and float(found[1]) > 0 else None


def pixel_budget(name: str) -> int | None:
    """Grey levels by which `pixels-*` may change a value; None for other attacks."""
    found = _PIXELS.fullmatch(name)
    return int(found[1]) if found and int(found[1]) <= 255 else None


def colour_budget(name: str) -> float | None:
    """Largest change of a colour channel that `colours-*` allows; None for `colours-free`."""
    amount = name.removeprefix("colours-")
    return None if amount == "free" else float(amount)
