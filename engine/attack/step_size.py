"""The step size decides the success rate, so it is chosen for each network on frames that are not attacked later."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from turncoat.engine.attack.appearance import attack_codes
from turncoat.engine.attack.block import Block
from turncoat.engine.attack.courses import budget_step
from turncoat.engine.attack.measure import Admitted
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.settings import AttackSettings, Optimiser, bounds_of, is_smallest, is_towards
from turncoat.training.checkpoint import find_weights, read_tensors, write_tensors

# Raw codes differ tenfold in scale between channels and networks; whitened ones have unit variance.
LADDERS = {"paper": (0.1, 0.3, 1.0, 3.0), "free": (0.03, 0.1, 0.3, 1.0), "natural": (0.03, 0.1, 0.3, 1.0)}
# Plain gradient steps go far along few coordinates. In the ball the largest are as good as jumps to its surface.
GRADIENT_LADDER = (0.3, 1.0, 3.0, 10.0)


@dataclass(frozen=True)
class Rung:
    """How one step size did.

    Attributes:
        success: share fooled. mean_iterations: steps made on average. mean_best_mm: largest errors, on average.
        mean_capped_mm: the same, no error counting for more than the threshold: overshooting it is no merit.
    """

    step_size: float
    success: float
    mean_iterations: float
    mean_best_mm: float
    mean_capped_mm: float


@dataclass(frozen=True)
class Choice:
    """A step size, and where it comes from: "given", "weights", "budget", or the split of the frames it was chosen on.

    optimiser: whose step it is. ladder: what the choice was made from.
    """

    step_size: float
    step_size_from: str
    ladder: tuple[Rung, ...] = ()
    optimiser: str = "adam"

    def facts(self) -> dict[str, Any]:
        """As run.json keeps it."""
        return {
            "step_size": self.step_size,
            "step_size_from": self.step_size_from,
            "ladder": [asdict(rung) for rung in self.ladder],
            "optimiser": self.optimiser,
        }


def known_step_size(name: str, settings: AttackSettings, generator: Any) -> Choice | None:
    """The step size that the settings give, that was recorded with the weights, or that a budget asks for; None if
    there is none.

    One that was recorded holds for the optimiser that it was chosen with. A random search, which only begins with it,
    takes whichever there is.
    """
    optimiser = settings.optimiser_of(name)
    if name in settings.step_size:
        return Choice(settings.step_size[name], "given", optimiser=optimiser)
    if (size := budget_step(name, generator, settings)) is not None:
        return Choice(size, "budget", optimiser=optimiser)
    if bounds_of(name) != name:  # walks as that one does
        like = settings.model_copy(update={"optimiser": {**settings.optimiser, bounds_of(name): optimiser}})
        return known_step_size(bounds_of(name), like, generator)
    recorded = (getattr(generator, "metadata", None) or {}).get("attack_step_size", {})
    if name not in recorded or optimiser not in ("random", recorded.get("optimiser", {}).get(name, "adam")):
        return None
    ladder = tuple(Rung(**rung) for rung in recorded.get("ladder", {}).get(name, ()))
    return Choice(float(recorded[name]), "weights", ladder, optimiser)


def record_step_sizes(weights: str | Path, choices: dict[str, Choice]) -> None:
    """Write step sizes and their ladders into the metadata of a network file, which stays as it is otherwise. Atomic.

    The metadata then has ``attack_step_size``: {"paper": ..., "natural": ..., "ladder": {"paper": [...], ...}} and,
    where it is not Adam, "optimiser": {"natural": ...}.

    Raises:
        DataError: there is no such file, or it is no network file.
    """
    path = find_weights(weights)
    tensors, header = read_tensors(path, "network")
    known = header["metadata"].get("attack_step_size", {})
    ladder = {name: [asdict(rung) for rung in choice.ladder] for name, choice in choices.items()}
    optimisers = known.get("optimiser", {}) | {name: choice.optimiser for name, choice in choices.items()}
    optimisers = {name: optimiser for name, optimiser in optimisers.items() if optimiser != "adam"}
    header["metadata"]["attack_step_size"] = {
        **{name: value for name, value in known.items() if name != "optimiser"},
        **{name: choice.step_size for name, choice in choices.items()},
        "ladder": known.get("ladder", {}) | ladder,
        **({"optimiser": optimisers} if optimisers else {}),
    }
    write_tensors(path, tensors, header)


def choose_step_size(
    pair: Pair, admitted: Admitted, name: str, settings: AttackSettings, source: str, truth: Tensor | None = None
) -> Choice:
    """Try the ladder of an attack on admitted frames.

    The highest success wins, then the larger error (to 1 mm, capped at the threshold), then the smaller step, which
    changes less and overshoots less: the paper's final errors lie a few millimetres past the threshold.

    Args:
        pair: generator and target.
        admitted: frames that are not attacked later.
        name: of an attack on codes. For those towards a pose, and for the smallest change, `paper`, `free` or
            `natural` is asked in their place.
        settings: of the attack; `step_size_iterations` bounds the steps made here, which are from the own codes.
        source: which split the frames are of, for the record.
        truth: not needed.
    """
    mine: Optimiser = settings.optimiser_of(name)
    optimiser: Optimiser = "adam" if mine == "random" else mine  # a search finds its own
    name = bounds_of(name) if is_towards(name) or is_smallest(name) else name
    changes: dict[str, Any] = {
        "iterations": min(settings.iterations, settings.step_size_iterations),
        "restarts": 1,
        "optimiser": {**settings.optimiser, name: optimiser},
    }
    short = settings.model_copy(update=changes)
    rungs = tuple(
        _rung(size, attack_codes(pair, admitted, name, size, short, truth), settings.threshold_mm)
        for size in (GRADIENT_LADDER if optimiser == "gradient" else LADDERS.get(name, LADDERS["natural"]))
    )
    best = max(rungs, key=lambda rung: (rung.success, round(rung.mean_capped_mm), -rung.step_size))
    return Choice(best.step_size, source, rungs, mine)


def _rung(step_size: float, block: Block, threshold_mm: float) -> Rung:
    attacked = [
        n for n, outcome in enumerate(block.outcome) if outcome not in (Outcome.PAST_BEFORE, Outcome.NOT_FINITE)
    ]
    if not attacked:
        return Rung(step_size, 0.0, 0.0, 0.0, 0.0)
    fooled = [block.outcome[n] is Outcome.FOOLED for n in attacked]
    best = np.asarray(block.columns["error_best_mm"])[attacked]
    iterations = np.asarray(block.columns["iterations"])[attacked]
    capped = np.minimum(best, threshold_mm)
    return Rung(step_size, float(np.mean(fooled)), *(float(one.mean()) for one in (iterations, best, capped)))
