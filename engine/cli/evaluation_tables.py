"""The document of an evaluation as tables for a person."""

from typing import Any

from rich.table import Column, Table


def tables_of(document: dict[str, Any]) -> list[Table]:
    """Everything that `turncoat evaluate` shows, in order. Documents of older versions lack some of it."""
    tables, parts = [_poses(document), _mean_poses(document)], [part for _, _, part in _parts(document)]
    if all("pck_150" in part["poses"] for part in parts):
        tables.append(_thresholds(document))
    if all("joints" in part for part in parts):
        tables.append(_joints(document))
    if all("pictures" in part for part in parts):
        tables += [_pictures(document), _initial(document)]
    tables.append(_actions(document))
    if document.get("identity"):
        tables.append(_identity(document["identity"]))
    return [*tables, targets_table(document["targets"])] if document.get("targets") else tables


def targets_table(targets: list[dict[str, Any]]) -> Table:
    """What was asked, what was measured, whether it holds."""
    table = _table("asked", "", "measured", "holds", title="Asked of a self-supervised network: held-out, everyday")
    for line in targets:
        scale, digits, unit = {"%": (100, 1, " %"), "x": (1, 2, " x"), "mm": (1, 0, " mm"), "dB": (1, 1, " dB")}.get(
            line["unit"], (1, 3, "")
        )
        bound = f"{'at least' if line['at_least'] else 'at most'} {line['asked'] * scale:g}{unit}"
        if line["measured"] is None:
            table.add_row(line["what"], bound, "not measured", "-")
            continue
        shown = f"{line['measured'] * scale:.{digits}f}{unit}"
        if line["low"] is not None:
            shown += f" [{line['low'] * scale:.{digits}f}, {line['high'] * scale:.{digits}f}]"
        table.add_row(line["what"], bound, shown, "yes" if line["holds"] else "no")
    return table


def _table(*headings: str, title: str, caption: str | None = None) -> Table:
    """A table that folds what is too long for its column on a narrow screen, instead of cutting it off."""
    first, *others = headings
    columns = [Column(first, overflow="fold", min_width=11), *(Column(heading, overflow="fold") for heading in others)]
    return Table(*columns, title=title, caption=caption)


def _poses(document: dict[str, Any]) -> Table:
    columns = ("where", "frames", "sequen-\nces", "motions", "MPJPE", "N-\nMPJPE", "PA-\nMPJPE")
    caption = (
        "In brackets, here and below: 95 %, drawing whole sequences or whole motions, whichever is wider; too few: "
        "fewer than three of either."
    )
    table = _table(*columns, title="Poses, mm", caption=caption)
    for split, group, part in _parts(document):
        p = part["poses"]
        counts = [f"{p[name]:,}" for name in ("frames", "sequences", "motions")]
        table.add_row(
            _where(split, group), *counts, _interval(p["mpjpe"]), _number(p["n_mpjpe"]), _number(p["pa_mpjpe"])
        )
    return table


def _mean_poses(document: dict[str, Any]) -> Table:
    caption = (
        "mean_pose: of all training frames, as the regressor stores it. group_mean_pose: of the training "
        "frames of the same group. ratio: the network's MPJPE as a share of the mean pose's."
    )
    columns = ["where", "MPJPE", *_MEAN_POSES.values()]
    ceiling = document.get("ceiling")
    if ceiling:
        columns.append("x\nsuper-\nvised")
        caption += f" x supervised: over that of {ceiling['name']} on the same frames."
    table = _table(*columns, title="MPJPE beside that of mean poses", caption=caption)
    for split, group, part in _parts(document):
        p = part["poses"]
        row = [_where(split, group), _number(p["mpjpe"]), *_beside_mean_poses(p)]
        table.add_row(*row, *([_number(p["mpjpe_of_supervised"], 2)] if ceiling else []))
    return table


_MEAN_POSES = {  # names and, in lines that fit a screen, headings
    "mean_pose_mm": "mean\n_pose_mm",
    "mean_pose_ratio": "mean_pose\n_ratio",
    "group_mean_pose_mm": "group_\nmean\n_pose_mm",
    "group_mean_pose_ratio": "group_\nmean_pose\n_ratio",
}


def _beside_mean_poses(poses: dict[str, Any]) -> list[str]:
    """Columns `_MEAN_POSES`; a dash where the dataset has no training frames of the group."""
    found = []
    for name in _MEAN_POSES:
        value = poses[name]
        share = name.endswith("ratio")
        found.append("-" if value is None else f"{100 * value['mean']:.0f} %" if share else _number(value))
    return found


def _thresholds(document: dict[str, Any]) -> Table:
    table = _table(
        "where", "PCK@150", "of the\nmean pose", "AUC", "of the\nmean pose",
        title="Joints within 150 mm, %",
        caption="Of the 14 official joints. AUC: mean over thresholds 0, 5, ..., 150 mm; 96.8 at most.",
    )  # fmt: skip
    for split, group, part in _parts(document):
        p = part["poses"]
        row = []
        for name in ("pck_150", "auc_150"):
            row += [_interval(p[name], 1), _number(p[f"mean_pose_{name}"], 1)]
        table.add_row(_where(split, group), *row)
    return table


def _joints(document: dict[str, Any]) -> Table:
    cells = list(_parts(document))
    columns = [f"{split},\n{group}" for split, group, _ in cells]
    table = _table("joint", *columns, title="By joint, mm", caption="In brackets: of the mean pose.")
    for joint in cells[0][2]["joints"]:
        found = [part["joints"][joint] for _, _, part in cells]
        table.add_row(joint, *(f"{_number(each['mpjpe'])} ({_number(each['mean_pose_mm'])})" for each in found))
    return table


def _pictures(document: dict[str, Any]) -> Table:
    table = _table(
        "where", "frames", "person\n_db", "back-\nground_db", "crop\n_limit_db", "mask IoU", "rect-\nangle",
        title="Pictures, dB",
        caption="dB: mean over frames of each frame's PSNR over the person's pixels (of the synthesis, of the empty "
        "background, of the cropped and uncropped frame); not the PSNR of the mean squared error. "
        "rectangle: the IoU of the person's tightest rectangle.",
    )  # fmt: skip
    for split, group, part in _parts(document):
        p = part["pictures"]
        others = [_number(p[name], 1) for name in ("background_db", "crop_limit_db")]
        mask = [_interval(p["mask_iou"], 3), _number(p["rectangle_iou"], 2) if "rectangle_iou" in p else "-"]
        table.add_row(_where(split, group), f"{p['frames']:,}", _interval(p["person_db"], 1), *others, *mask)
    return table


def _initial(document: dict[str, Any]) -> Table:
    past = f"past {document['threshold_mm']:.0f}"
    parts = ("mask\npart", "RGB\npart", "box\npart", "un-\npainted")
    table = _table(
        *("where", "mean", "median", past, "of\nMPJPE", *parts),
        title="Initial error of an attack, mm",
        caption="A part has only the network's mask, RGB or box (with the crop's resolution), the rest true. "
        "Parts overlap and do not add up. unpainted: the empty background instead of the synthesis.",
    )
    for split, group, part in _parts(document):
        p = part["pictures"]
        shares = [f"{100 * p['initial_past']['mean']:.1f} %", f"{100 * p['initial_of_mpjpe']['mean']:.0f} %"]
        names = ("initial_mask", "initial_rgb", "initial_box", "unpainted")
        alone = [_number(p[name]) if name in p else "-" for name in names]
        table.add_row(_where(split, group), _interval(p["initial"]), f"{p['initial']['median']:.0f}", *shares, *alone)
    return table


def _actions(document: dict[str, Any]) -> Table:
    table = _table(
        "where", "frames", "MPJPE", "mean\n_pose\n_ratio", "group\n_mean\n_pose\n_ratio", "PA-\nMPJPE",
        "person\n_db", "initial\nerror",
        title="By action",
    )  # fmt: skip
    for split, group, cell in _parts(document):
        named = {name: cell[name] for name in ("not walking",) if name in cell and group == "everyday"}
        for name, part in (cell["actions"] | named).items():
            p, q = part["poses"], part.get("pictures")
            _, share, _, group_share = _beside_mean_poses(p)
            pictures = (_number(q["person_db"], 1), _number(q["initial"])) if q else ("", "")
            errors = [_interval(p["mpjpe"]), share, group_share, _number(p["pa_mpjpe"])]
            table.add_row(_where(split, name.replace("_", " ")), f"{p['frames']:,}", *errors, *pictures)
    return table


def _identity(found: list[dict[str, Any]]) -> Table:
    groups = sorted({group for each in found for group in each["groups"]}, reverse=True)
    table = _table(
        *("read from", "probe", "right", *(f"of {group}" for group in groups), "over true\npose"),
        title="Who is it? % of frames",
        caption="Held-out and validation sequences of people that were trained on. true pose, true lengths: of true "
        "joints and the bones between them, so a perfect pose code scores as much; true directions: all bones of one "
        "length; true limbs: of those, arms and legs alone, which is posture. Only what is above the true pose is a "
        "leak beyond pose: over true pose, in points, against the best probe on joints or lengths.",
    )
    for column in dict.fromkeys(each["of"] for each in found):
        lines = [each for each in found if each["of"] == column]
        for each in lines:
            name = each["code"].replace("_", " ")
            parts = [each, *(each["groups"].get(group) or _NOBODY for group in groups)]
            cells = [_share(part["accuracy"]) for part in parts]
            over = each.get("over_true_pose")
            row = [name if column == "subject" else f"{column}, {name}", each["probe"], *cells]
            table.add_row(*row, _points(over) if over else "")
        chances = [lines[0]["chance"], *((lines[0]["groups"].get(group) or lines[0])["chance"] for group in groups)]
        table.add_row("chance", "", *(_chance(chance) for chance in chances), "", end_section=True)
    return table


_NOBODY: dict[str, Any] = {"accuracy": None}


def _share(value: dict[str, float] | None) -> str:
    """A share and its interval, in percent."""
    return "-" if value is None else f"{100 * value['mean']:.0f} {_bounds(value, 100, 0)}"


def _points(value: dict[str, float]) -> str:
    return f"{round(100 * value['mean']):+d} {_bounds(value, 100, 0)}"


def _chance(chance: dict[str, Any]) -> str:
    """What naming one of them blindly scores, or always the commonest if that is more."""
    return f"{100 * max(chance['one_of'], chance['most_common'] or 0):.0f}"


def _parts(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(split, group, part) for split, groups in document["splits"].items() for group, part in groups.items()]


def _where(split: str, what: str) -> str:
    return f"{split}, {what}"


def _number(value: dict[str, float], digits: int = 0) -> str:
    return f"{value['mean']:.{digits}f}"


def _interval(value: dict[str, float], digits: int = 0) -> str:
    return f"{_number(value, digits)} {_bounds(value, 1, digits)}"


def _bounds(value: dict[str, float], factor: float, digits: int) -> str:
    if value["low"] is None:
        return "[too few]"
    return f"[{factor * value['low']:.{digits}f}, {factor * value['high']:.{digits}f}]"
