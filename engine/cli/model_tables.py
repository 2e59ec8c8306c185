"""Cards as tables for a person."""

from typing import Any

from rich.table import Table

from turncoat.engine.cli.evaluation_tables import tables_of
from turncoat.engine.cli.labels import label_tables
from turncoat.engine.cli.trend import trend_table


def models_tables(rows: list[dict[str, Any]]) -> list[Table]:
    """What the weights are, what they can do, and how they are fooled: one line each for every set of weights."""
    measured = _plain(
        ("name", "person\ndB", "mask\nIoU", "MPJPE", "x sup.", "initial", "holds"),
        title="On everyday held-out frames",
        caption="MPJPE: mm, and as a share of the mean pose's; x sup.: times the supervised ceiling's. initial: "
        "error between predictions on a frame and on its repainting, mean / median, mm. holds: of what was asked. "
        "A whole card: turncoat models NAME.",
    )
    made = _plain(("name", "method", "head", "recipe", "images", "MB"), title="Weights")
    for row in rows:
        images = "-" if row["images"] is None else f"{row['images']:,}"
        size = "-" if row["bytes"] is None else f"{row['bytes'] / 1e6:.1f}"
        made.add_row(row["name"], row["method"] or "no card", row["head"] or "-", row["recipe"] or "-", images, size)
        measured.add_row(
            row["name"],
            _number(row["person_db"], 1),
            _number(row["mask_iou"], 3),
            _mpjpe(row),
            _number(row["mpjpe_of_supervised"], 2),
            "-" if row["initial_mm"] is None else f"{row['initial_mm']:.0f} / {row['initial_median_mm']:.0f}",
            _holds(row["targets"]),
        )
    settings = list(dict.fromkeys(setting for row in rows for setting in row["attacks"]))
    if not settings:
        return [made, measured]
    attacked = _plain(
        ("name", *settings),
        title="Attacked, painted by itself",
        caption="Everyday frames: share whose predicted pose moved past the threshold [95 %], mean final error in mm, "
        "and the share that the strongest of the attack's controls moves as far.",
    )
    for row in rows:
        found = [row["attacks"].get(setting) for setting in settings]
        cells = ["-" if one is None else _attacked(one) for one in found]
        attacked.add_row(row["name"], *cells)
    return [made, measured, attacked]


def _attacked(one: dict[str, Any]) -> str:
    success, control = one["success"], one["strongest_control"]
    beside = "-" if control is None else f"{100 * control:.0f} %"
    share = f"{100 * success['value']:.0f} % [{100 * success['low']:.0f}, {100 * success['high']:.0f}]"
    return f"{share}, {one['error_final_mm']:.0f}; control {beside}"


def _plain(headings: tuple[str, ...], **more: str) -> Table:
    """Words to the left, numbers to the right, nothing broken inside a name."""
    table = Table(**more)  # type: ignore[arg-type]
    for heading in headings:
        words = heading in ("name", "method", "head", "recipe")
        table.add_column(heading, justify="left" if words else "right", no_wrap=heading == "name", overflow="fold")
    return table


def card_tables(card: dict[str, Any]) -> list[Any]:
    """A whole card: what it is, how it was made, known limits, and every measurement it holds."""
    parts: list[Any] = [_facts(card)]
    if card.get("limits"):
        parts.append("Known limits:\n" + "\n".join(f"- {sentence}" for sentence in card["limits"]))
    if card.get("evaluation"):
        parts += tables_of(card["evaluation"])
    if card.get("labels"):
        parts += label_tables(card["labels"])
    if card.get("attacks"):
        parts.append(_attacks(card["attacks"]))
    if card.get("trend"):
        parts.append(trend_table(card["trend"]))
    return parts


def _facts(card: dict[str, Any]) -> Table:
    network, training, regressor = (card.get(name) or {} for name in ("network", "training", "regressor"))
    dataset, machine = training.get("dataset") or {}, training.get("machine")
    settings = (training.get("settings") or {}) | (training.get("method_settings") or {})
    seconds, file = training.get("seconds"), card.get("file") or {}
    rows = {
        "method": card.get("method"),
        "network": f"preset {network.get('preset')}, {network.get('head')} head, frames of {network.get('frame_size')} "
        f"and crops of {network.get('crop_size')} pixels",
        "parameters": f"{(card.get('parameters') or {}).get('without_regressor', 0):,} without the regressor",
        "file": f"{file.get('name')}, {file.get('bytes', 0) / 1e6:.1f} MB, SHA-256 {file.get('sha256')}",
        "trained by": training.get("command"),
        "on": ", ".join(str(value) for value in dataset.values() if value) or None,
        "images": f"{training['images']:,} in {training.get('steps') or '?'} steps" if training.get("images") else None,
        "time": None if seconds is None else f"{seconds / 3600:.1f} hours",
        "machine": ", ".join(f"{name} {value}" for name, value in machine.items()) if machine else None,
        "settings": ", ".join(f"{name}={value}" for name, value in settings.items()) or None,
        "warnings": " ".join(training.get("warnings") or []) or None,
        "labels from": regressor.get("command"),
        "licence": card.get("licence"),
    }
    table = Table(title=f"{card.get('name')}", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        if value is not None:
            table.add_row(name, str(value))
    return table


def _attacks(attacks: dict[str, Any]) -> Table:
    table = Table(title="Attacked, painted by itself", caption="Indented: the controls beside each attack.")
    for heading in ("attack", "frames", "past the threshold", "initial error, mm", "final error, mm", "PSNR, dB"):
        table.add_column(heading, justify="left" if heading == "attack" else "right")
    lines = [
        (name if control is None else f"  {control}", one)
        for name, found in attacks.items()
        for control, one in [(None, found), *(found.get("controls") or {}).items()]
    ]
    for name, found in lines:
        success, final, initial = found["success"], found["error_final_mm"], found["error_initial_mm"]
        table.add_row(
            name,
            f"{found['attacked']:,}",
            f"{100 * success['value']:.0f} % [{100 * success['low']:.0f}, {100 * success['high']:.0f}]",
            f"{initial['value']:.0f}",
            f"{final['value']:.0f}",
            f"{found['psnr_db']:.1f}",
        )
    return table


def _mpjpe(row: dict[str, Any]) -> str:
    if row["mpjpe_mm"] is None:
        return "-"
    share = "" if row["mean_pose_ratio"] is None else f" = {100 * row['mean_pose_ratio']:.0f} %"
    return f"{row['mpjpe_mm']:.0f}{share}"


def _holds(targets: dict[str, bool | None] | None) -> str:
    found = [holds for holds in (targets or {}).values() if holds is not None]
    return f"{sum(found)} of {len(found)}" if found else "-"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
