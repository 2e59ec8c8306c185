"""Everything that might make an attack stronger, each a run of its own."""

from dataclasses import dataclass
from typing import Any, Literal

from turncoat.engine.analysis.soundness.settings import SoundnessSettings
from turncoat.engine.attack import AttackSettings

Role = Literal["checked", "variant", "transfer", "budget", "easier"]

EASIER = 0.5  # of the threshold: the easier objective of attacks without a budget
LADDER_FRAMES, LADDER_ITERATIONS = 20, 40  # on which a variant's own step size is chosen
_OPTIMISERS = {
    "adam": "Adam",
    "sign": "sign steps",
    "gradient": "plain gradient steps",
    "random": "random search, no gradients",
}


@dataclass(frozen=True)
class Variant:
    """One way to attack.

    Attributes:
        name: of its run's folder.
        words: what is different, for a person.
        role: `checked`: the attack that is asked about. `variant`: may go where that may, by other means. `transfer`:
            paints by another network. `budget`: in a ball of another size. `easier`: an easier objective.
        settings: of its run.
        other_generator: whether another network paints.
        factor: of the step size (`variant`) or the budget (`budget`); 1 for all others.
    """

    name: str
    words: str
    role: Role
    settings: AttackSettings
    other_generator: bool = False
    factor: float = 1.0

    @property
    def setting(self) -> str:
        """The attack's name."""
        return self.settings.attacks[0]

    @property
    def optimiser(self) -> str:
        """What moves the codes."""
        return self.settings.optimiser_of(self.setting)


def checked(settings: SoundnessSettings) -> Variant:
    """The attack that is asked about, with its controls."""
    attack = settings.attack()
    name = _OPTIMISERS[attack.optimiser_of(settings.setting)]
    starts = f" from {settings.starts} starts" if settings.starts > 1 else ""
    return Variant("attack", f"the attack: {name}, {settings.iterations} iterations{starts}", "checked", attack)


def variants_of(
    settings: SoundnessSettings, step_size: float, precision: str, generator: str | None = None
) -> list[Variant]:
    """All variants that are asked for, in the order of tables.

    Args:
        settings: of the check.
        step_size: that the checked attack took; variants take it too, but for those that say otherwise.
        precision: of its steps, "float32" or "bfloat16".
        generator: name of the other network that repaints, if there is one.
    """
    name, first = str(settings.setting), checked(settings)
    base = first.settings.model_copy(update={"controls": False, "step_size": {name: step_size}})
    own_ladder: dict[str, Any] = {
        "step_size": {},
        "step_size_frames": LADDER_FRAMES,
        "step_size_iterations": min(settings.iterations, LADDER_ITERATIONS),
    }
    found: list[Variant] = []

    def add(kind: str, variant: str, words: str, changes: dict[str, Any], role: Role = "variant", factor: float = 1.0,
            other_generator: bool = False) -> None:  # fmt: skip
        if kind not in settings.without:
            found.append(Variant(variant, words, role, base.model_copy(update=changes), other_generator, factor))

    changes: dict[str, Any]
    iterations = settings.longer * settings.iterations
    add("longer", "longer", f"{settings.longer} times the iterations", {"iterations": iterations})
    starts = settings.restarts * settings.starts
    add("restarts", "restarts", f"{starts} starts, the strongest kept", {"restarts": starts})
    for factor in settings.step_factors:
        changes = {"step_size": {name: factor * step_size}}
        add("steps", f"step-{factor:g}", f"steps {factor:g} times as large", changes, factor=factor)
    for other in ("adam", "gradient", "sign"):
        if other != first.optimiser:
            add("optimisers", other, _OPTIMISERS[other], {"optimiser": {name: other}, **own_ladder})
    search = {"optimiser": {name: "random"}}
    add("search", "search", _OPTIMISERS["random"], search)
    if precision != "float32":
        add("precision", "float32", f"steps in float32 instead of {precision}", {"precision": "float32"})
    if generator is not None:
        add("generator", "generator", f"another generator, {generator}", own_ladder, "transfer", other_generator=True)
    if name != "natural":
        changes = {"threshold_mm": EASIER * settings.threshold_mm}
        add("budgets", "easier", f"{EASIER:g} times the threshold", changes, "easier")
        return found
    for factor in settings.budgets:
        words = f"a ball {factor:g} times as large"
        add("budgets", f"budget-{factor:g}", words, {"budget_factor": factor}, "budget", factor)
    for factor in settings.budgets if "search" not in settings.without else ():
        words = f"random search, ball {factor:g} times as large"
        add("budgets", f"search-budget-{factor:g}", words, {"budget_factor": factor, **search}, "budget", factor)
    return found
