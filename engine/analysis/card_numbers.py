"""What a card keeps of the attacks on its network."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from turncoat.engine.analysis.summary import summaries
from turncoat.engine.attack.settings import family_of
from turncoat.engine.runs import Run, open_run
from turncoat.kernels.errors import DataError


def attack_numbers(runs: Iterable[Run | str | Path], weights_hash: str) -> dict[str, Any]:
    """``{"natural, everyday": {numbers, group, setting, controls, selection, dataset}}`` of runs on one network.

    Groups are never pooled; controls stand with the attack they are beside.

    Args:
        runs: or their folders; of one setting and group the last counts.
        weights_hash: of the network whose card it is.

    Raises:
        DataError: a folder is not a run, or the run attacks other weights.
    """
    return {name: line for run in runs for name, line in _numbers(run, weights_hash).items()}


def _numbers(source: Run | str | Path, weights_hash: str) -> dict[str, Any]:
    run = source if isinstance(source, Run) else open_run(source)
    for who in ("generator", "target"):
        if run.info[who]["weights_hash"] != weights_hash:
            raise DataError(f"{run.folder} attacks other weights; choose a run whose generator and target are these.")
    facts = {"selection": run.info["selection"], "dataset": {"fingerprint": run.info["dataset"]["fingerprint"]}}
    found: dict[str, Any] = {}
    for group in run.info["selection"]["groups"]:
        for summary in summaries(run, group=group):
            numbers = summary.facts()
            kept = {name: numbers[name] for name in _KEPT}
            key = f"{summary.setting}, {group}"
            if summary.control is None:
                found[key] = kept | facts | {"group": group, "setting": summary.setting, "controls": {}}
            else:  # controls that depend on no attack carry their family's name as setting
                mine = [
                    k for k, one in found.items() if one["group"] == group and _beside(summary.setting, one["setting"])
                ]
                for one in mine:
                    found[one]["controls"][summary.control] = kept
    return found


def _beside(control: str, attack: str) -> bool:
    """Whether a control of this setting stands beside an attack of that."""
    family = family_of(attack)
    return control in (attack, "codes" if family == "appearance" else family)


_KEPT = (
    "frames",
    "attacked",
    "sequences",
    "past_before",
    "success",
    "error_initial_mm",
    "error_final_mm",
    "error_pa_mm",
    "judge_error_mm",
    "iterations",
    "psnr_db",
    "ssim",
)
