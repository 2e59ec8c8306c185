"""`turncoat model-card`: the card of a set of weights, from its run and its measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from turncoat.engine.cli.output import Output


def model_card(
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
    from turncoat.engine.analysis.card_numbers import attack_numbers
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
        parts["attacks"] = attack_numbers(attack, network.weights_hash)
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
