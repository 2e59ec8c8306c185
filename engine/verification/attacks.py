"""What a reduced precision is judged by: does an attack that takes its steps there succeed as often?"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from turncoat.engine.attack import AttackSettings, Outcome
from turncoat.engine.attack.appearance import admit_codes, attack_codes
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.step_size import known_step_size
from turncoat.engine.verification.truth import Sample
from turncoat.kernels.intervals import Z_95

DEFAULT_STEP = {"paper": 0.03, "natural": 1.0}
SETTINGS = ("paper", "natural")


@dataclass(frozen=True)
class Agreement:
    """One attack with its steps in float32 and on the backend, on the same frames; verification is float32 for both.

    Attributes:
        setting: `paper` or `natural`.
        samples: frames that could be attacked.
        success_float32, success: shares fooled.
        difference: `success - success_float32`, with its 95 % interval (paired by frame).
        confirmed_first: share of the backend's first claims that float32 confirmed at first check; None: no claims.
        iterations_ratio: mean iterations over float32's, over frames both fooled; None: none.
    """

    setting: str
    samples: int
    success_float32: float
    success: float
    difference: float
    low: float
    high: float
    confirmed_first: float | None
    iterations_ratio: float | None

    @property
    def agrees(self) -> bool:
        """Whether the interval of the difference holds zero."""
        return self.low <= 0 <= self.high

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {"agrees": self.agrees}


def attack_frames(network: Any, session: Any, sample: Sample, setting: str, iterations: int) -> Any:
    """Attack the frames of a sample with the steps taken by `session` (None: PyTorch float32)."""
    settings = AttackSettings(attacks=(setting,), iterations=iterations)
    known = known_step_size(setting, settings, network)
    step = known.step_size if known is not None else DEFAULT_STEP[setting]
    device = torch.device("cpu") if session is None else session.device
    network = network.to(device)
    pair = Pair(network, network, ("network", "network"), device, runtime=session)
    given = None if sample.given is None else type(sample.given)(*(t.to(device) for t in sample.given))
    admitted = admit_codes(pair, sample.frames.to(device), sample.background.to(device), given)
    return attack_codes(pair, admitted, setting, step, settings, None)


def agreement(setting: str, reference: Any, found: Any) -> Agreement:
    """Compare two blocks of the same frames."""
    usable = np.array([outcome != Outcome.PAST_BEFORE for outcome in reference.outcome])
    fooled = {
        name: np.array([outcome == Outcome.FOOLED for outcome in block.outcome])[usable]
        for name, block in (("float32", reference), ("backend", found))
    }
    off = fooled["backend"].astype(float) - fooled["float32"]
    spread = Z_95 * off.std() / max(1, len(off)) ** 0.5
    # Discordant pairs may be none by chance: the rule of three bounds what was not seen.
    spread = max(spread, 3 / max(1, len(off)))
    both = fooled["backend"] & fooled["float32"]
    steps = {name: np.asarray(block.columns["iterations"])[usable] for name, block in (("r", reference), ("f", found))}
    first = [held for held in np.array(found.columns["confirmed_first"], dtype=object)[usable] if held is not None]
    return Agreement(
        setting,
        len(off),
        float(fooled["float32"].mean()),
        float(fooled["backend"].mean()),
        float(off.mean()),
        float(off.mean() - spread),
        float(off.mean() + spread),
        float(np.mean(first)) if first else None,
        float(steps["f"][both].mean() / max(1e-9, steps["r"][both].mean())) if both.any() else None,
    )
