"""Which budgets curves are made of, and the settings of the attacks that make them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from turncoat.engine.attack.settings import AttackSettings, code_budget, colour_budget, is_appearance
from turncoat.kernels.errors import ConfigError

FAMILIES = ("codes", "colours")
BUDGETS = (2.0, 4.0, 8.0, 12.0, 16.0)
"""Of codes, where none are asked for: from a change that hardly moves anything to further than two natural codes
mostly lie apart (docs/curves.md)."""


def budget_of(setting: str) -> tuple[str, float] | None:
    """("codes" or "colours", budget) of a setting with a budget that no threshold cuts off; None of any other."""
    if (budget := code_budget(setting)) is not None:
        return "codes", budget
    if is_appearance(setting) or not setting.startswith("colours-"):
        return None
    budget = colour_budget(setting)
    return None if budget is None else ("colours", budget)


def curve_settings(
    *,
    budgets: Sequence[float] | None = None,
    colours: Sequence[float] | None = None,
    file: Path | None = None,
    **changes: Any,
) -> AttackSettings:
    """Settings of a run for curves: an attack at each budget, controls beside them.

    Args:
        budgets: distances from the own code; None: `BUDGETS`, or what the file says. Empty: none.
        colours: largest changes of a colour channel; None: none, or what the file says.
        file: TOML file of attack settings.
        changes: other settings; None stands for none.

    Raises:
        ConfigError: no budget at all, one that is not above 0 (of colours: not in (0, 1)), one given twice.
    """
    base = AttackSettings.load(file, {"precision": "auto"} if file is None else {})
    attacks = [name for name in base.attacks if budget_of(name)]
    if budgets is not None or colours is not None or not attacks:
        attacks = [*_named("budget", BUDGETS if budgets is None else budgets, np.inf),
                   *_named("colours", colours or (), 1.0)]  # fmt: skip
    if not attacks:
        raise ConfigError("No budget is asked for; give some of codes, like 1,2,4, or of colours, like 0.05,0.1.")
    given = {name: value for name, value in changes.items() if value is not None}
    return AttackSettings.load(None, base.model_dump() | given | {"attacks": tuple(attacks), "controls": True})


def _named(kind: str, budgets: Sequence[float], below: float) -> list[str]:
    """The attacks of that kind, rising."""
    for budget in budgets:
        if not 0 < budget < below or list(budgets).count(budget) > 1:
            most = "" if below == np.inf else f" and below {below:g}"
            raise ConfigError(
                f"The budgets of {kind} are {', '.join(f'{one:g}' for one in budgets)}; expected numbers above "
                f"0{most}, each only once."
            )
    return [f"{kind}-{np.format_float_positional(budget, trim='-')}" for budget in sorted(budgets)]
