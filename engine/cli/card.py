"""`turncoat card`: the card of a set of weights, from its run and its measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from turncoat.engine.cli.output import Output


def card(
    weights: Annotated[str, typer.Argument(help="network: a .safetensors file or a shipped name")],
    run: Annotated[Path | None, typer.Option(help="its training run: time, machine, warnings, trend.json")] = None,
    evaluation: Annotated[Path | None, typer.Option(help="document of `turncoat evaluate --out`")] = None,
    labels: Annotated[Path | None, typer.Option(help="document of `turncoat labels --out`")] = None,
    attack: Annotated[list[Path] | None, typer.Option(help="run folder of attacks on it; may be repeated")] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON document and nothing else there")] = False,
) -> None:
    """Write the card beside a set of weights, from its training run, its evaluation, its label study and its attacks.

    What is not given stays as the present card has it, while the weights are the same. Paths of this machine become
    file names.
    """
    from turncoat.training.cards import card_path, read_card, run_facts, update_card
    from turncoat.training.checkpoint import check_output_file, load_network

    output = Output(json)
    network = load_network(weights)
    check_output_file(card_path(network), overwrite=True)
    parts: dict[str, Any] = {}
    if run is not None:
        parts["run"] = run_facts(run)
        if (run / "trend.json").exists():
            parts["trend"] = _document(run / "trend.json", "trend", None)
    if evaluation is not None:
        parts["evaluation"] = _document(evaluation, "evaluation", network.weights_hash)
    if labels is not None:
        parts["labels"] = _document(labels, "label study", network.weights_hash)
    if attack:
        parts["attacks"] = {
            name: line for each in attack for name, line in _attacks(each, network.weights_hash).items()
        }
    path = update_card(network, **parts)
    written = read_card(path)
    output.show(f"Card: {path}")
    for sentence in written["limits"]:
        output.show(f"- {sentence}")
    output.finish(written)


def _document(path: Path, kind: str, weights_hash: str | None) -> dict[str, Any]:
    """A measurement from its file; DataError if it is another kind's, or of other weights."""
    import json

    from turncoat.kernels import DataError

    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}); measure again.") from error
    found = document.get("kind") if isinstance(document, dict) else None
    if found != kind:
        raise DataError(f"{path} holds {found or 'no measurement'!r}, expected {kind!r}; choose another file.")
    if weights_hash is not None and document["weights_hash"] != weights_hash:
        raise DataError(f"{path} was measured on other weights; measure these, or choose another file.")
    return document


def _attacks(folder: Path, weights_hash: str) -> dict[str, Any]:
    """What an attack run says of every setting and group, with its controls; groups are never pooled."""
    from turncoat.engine.analysis.summary import summaries
    from turncoat.engine.runs import open_run
    from turncoat.kernels import DataError

    run = open_run(folder)
    for who in ("generator", "target"):
        if run.info[who]["weights_hash"] != weights_hash:
            raise DataError(f"{folder} attacks other weights; choose a run whose generator and target are these.")
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
    family = "colours" if attack.startswith("colours") else "codes"
    return control in (attack, family)


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
