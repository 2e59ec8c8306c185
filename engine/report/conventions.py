"""What the words of the page mean, and where its numbers come from."""

from collections.abc import Mapping, Sequence
from typing import Any

from turncoat.engine.attack.settings import is_smallest, is_towards
from turncoat.engine.report.facts import Facts
from turncoat.engine.report.names import capital, counted, moved_by, percent
from turncoat.engine.report.numbers import Group
from turncoat.engine.runs import Run

Terms = list[tuple[str, str]]
_OBJECTIVES = {
    "squared": "squared distance of the joints (Algorithm 1, line 9)",
    "mpjpe": "MPJPE",
    "n-mpjpe": "N-MPJPE (the threshold is one of MPJPE)",
    "pa-mpjpe": "PA-MPJPE (the threshold is one of MPJPE)",
}


def conventions(run: Run, known: Facts, groups: Sequence[Group]) -> Terms:
    """(term, sentences) for every word that a table or chart of the page uses."""
    settings = run.info["settings"]
    objective = settings.get("objective", "squared")
    terms = [
        (
            "Error",
            "MPJPE: the mean distance over the 17 joints between the target's prediction on a changed frame and its "
            "prediction on the clean frame, mm, camera axes, relative to the pelvis."
            + (" True and own errors are against ground truth instead." if known.labelled else ""),
        ),
        (
            "N-MPJPE, PA-MPJPE",
            "The same after the best scale, or after the best scale, rotation and translation (no reflection).",
        ),
        (
            "Initial, final",
            "Initial: the frame repainted with its own codes, nothing changed (Algorithm 1, line 4). Final: the last "
            "frame of the ascent. Tables of controls and kinds of error use the float32 reference on that frame "
            "rounded to 8 bits.",
        ),
        (
            "Fooled",
            f"The float32 reference finds an error past {known.threshold:.0f} mm on the changed frame rounded to "
            "8 bits: one rule for attacks and controls. Shares are of the attacked frames: those past the threshold "
            "before the attack, unreadable or not finite are counted apart.",
        ),
        (
            "Interval",
            "95 %. Frames of one sequence are not independent, and neither are sequences of one recording, so whole "
            "sequences and whole recordings are drawn (a bootstrap, stretched for how few there are), and the wider "
            "interval counts. Of shares it is on either side the wider of that and Wilson's for as many samples as "
            "there are sequences or recordings, for near 0 and 100 % the bootstrap alone is too narrow. "
            f"{capital(_frames(groups))}."
            + ("" if known.labelled else " Nobody says which pictures belong together, so all count as one sequence."),
        ),
        (
            "Ascent",
            f"{moved_by(run.info)} on the "
            f"{_OBJECTIVES.get(objective, objective)}; at most "
            f"{settings.get('iterations')} iterations. Step sizes: {_step_sizes(run)}. Precision of the steps: "
            f"{settings.get('precision', 'float32')}; admission and verification are float32.",
        ),
        (
            "paper, free, natural",
            "paper: the raw appearance code, unbounded. free: whitened coordinates, unbounded. natural: whitened "
            "coordinates, kept in the ball that holds 99 % of the appearance codes of the training split. Networks are "
            "compared by natural.",
        ),
        (
            "Distance of a code",
            "Mahalanobis distance under the mean and covariance of the appearance codes of the training split.",
        ),
        (
            "Controls",
            "Changes without a search, and changes that other pictures really show (another frame of the same subject, "
            "other subjects). A random direction is as long as the attack's step, and inside its ball where it has "
            "one; random colours have the same budget, and random corners spend all of it on every channel. Where "
            "several are tried the strongest counts, which favours the control. Length is the mean way gone, of codes "
            "in the coordinates that the attack walks in, of colours over all channels of the garments.",
        ),
    ]
    attacks = settings["attacks"]
    if any(is_smallest(name) for name in attacks):
        terms.append(
            (
                "smallest",
                "An ascent until the frame is fooled; then the distance from the own code is halved "
                f"{settings.get('smallest_rounds')} times between what fools and what an ascent of "
                f"{settings.get('budget_iterations')} steps does not, each begun at the nearest code that fools. "
                "That is as near as the ascent comes; it is no proof that nothing nearer fools.",
            )
        )
    if any(is_towards(name) for name in attacks):
        terms.append(
            (
                "towards",
                f"The prediction is driven to a pose ({settings.get('towards')}) instead of away from its own. There "
                f"fooled means that it comes within {known.reach:.0f} mm of it, on the 8-bit frame in float32.",
            )
        )
    if any(name.startswith("pixels") for name in attacks):
        terms.append(
            (
                "Pixels",
                "Projected sign steps in a box around the frame, so many grey levels either way, from a random start; "
                f"all {settings.get('pixel_iterations')} are made, the strongest picture counts. For context: it is "
                "free of clothes, person and generator, and its pictures are not kept.",
            )
        )
    if any(name.startswith("colours") for name in attacks):
        terms.append(
            (
                "Colours",
                "frame = clamp(sum of shading × colour + rest). Only the garments' colours change (shirt, trousers or "
                f"skirt, shoes, their patterns). All {settings.get('colour_iterations')} steps are made, from two "
                "starts, and the strongest colours count. There is no synthesis: the initial error is that of "
                "recomposing the stored frame, which differs from it by its rounding.",
            )
        )
    if not known.labelled:
        terms.append(("Own pictures", own_pictures(run.info["dataset"])))
    judge = run.info.get("judge")
    if judge:
        terms.append(
            (
                "Judge",
                f"{judge['name']}: a network that nobody attacks, asked for its pose of the clean frame, of the "
                "unattacked repainting (before the arrow) and of the changed frame on 8 bits (after it). Where its "
                "error stays small while the target's is large, the attack changed clothes and not the pose.",
            )
        )
    if any((run.info.get(side) or {}).get("given") for side in ("generator", "target")):
        terms.append(
            (
                "Given",
                "This network has no detector and no mask of its own: crops and masks are the dataset's, under attack "
                "too. That spares it what its detector would get wrong, so it is left out of averages over networks.",
            )
        )
    if run.info["dataset"].get("recipe") == "confounded":
        terms.append(
            (
                "confounded",
                "A subject always wears the same, as in real datasets: clothes truly tell the body, and large changes "
                "of colour also leave what training has shown. The decorrelated recipe is the control for that.",
            )
        )
    return terms


def own_pictures(facts: Mapping[str, Any]) -> str:
    """What was done to the pictures, and where the background is from."""
    width, height = facts.get("picture_size") or (0, 0)
    size, background = facts.get("frame_size"), facts.get("background") or {}
    cut = "" if width == height else f"cut to the square of {min(width, height)} pixels in their middle"
    resized = "" if min(width, height) == size else f"resized to the network's {size} x {size}"
    done = " and ".join(part for part in (cut, resized) if part) or "used as they are"
    said = {
        "median": "their median, colour by colour: the scene, if the camera stood still and the person did not",
        "folder": f"one for each picture, from {background.get('path')}",
    }.get(str(background.get("kind")), f"one for all, {background.get('path')}")
    return f"{width} x {height} pixels, {done}. The background is {said}.{_doubt(background.get('doubt'))}"


def _doubt(share: float | None) -> str:
    """That a median may hold a ghost, where it may."""
    if not share:
        return ""
    return (
        f" In {percent(share)} of it more than a third of the pictures differ from the median: where that is more than "
        "noise, somebody stood there often enough to leave a ghost, and the repainting covers it only in part."
    )


def _step_sizes(run: Run) -> str:
    attacks: Mapping[str, Any] = run.info.get("attacks") or {}
    said = [
        f"{name} {facts['step_size']:g}, {_origin(facts.get('step_size_from'))}"
        for name, facts in attacks.items()
        if facts.get("step_size") is not None
    ]
    return "; ".join(said) or "see run.json"


def _origin(source: Any) -> str:
    return {
        "given": "given",
        "weights": "recorded with the weights",
        "budget": "a share of the budget",
        "validation": "chosen on validation frames",
        "train": "chosen on training frames",
    }.get(str(source), str(source))


def provenance(run: Run, groups: Sequence[Group]) -> Terms:
    """(term, fact) of what the run was made with; facts that a run lacks are left out."""
    info = run.info
    generator, target, data = info["generator"], info["target"], info["dataset"]
    judge = info.get("judge")
    networks = {"Network": generator} if generator == target else {"Generator": generator, "Target": target}
    created = f"created {info.get('created', 'unknown')}"
    finished = f"finished {info['finished']}" if info.get("finished") else "not finished"
    took = f", {info['wall_s']:.0f} s" if info.get("wall_s") else ""
    rows = [
        ("Command", info.get("command")),
        *((name, f"{network['name']}, weights {network.get('weights_hash')}") for name, network in networks.items()),
        ("Judge", f"{judge['name']}, weights {judge.get('weights_hash')}" if judge else None),
        ("Dataset", f"{data.get('name')}, {data.get('frame_size')} pixels, fingerprint {data.get('fingerprint')}"),
        ("Its bytes", data.get("bytes_hash")),
        ("Background", (data.get("background") or {}).get("path") or (data.get("background") or {}).get("kind")),
        ("Frames", "; ".join(part for part in (_selection(info.get("selection") or {}), _frames(groups)) if part)),
        ("Seed", info["settings"].get("seed")),
        ("Backend", _backend(info)),
        ("Machine", _named(info.get("machine") or {})),
        ("Versions", _named(info.get("versions") or {})),
        ("Run", f"{created}, {finished}{took}"),
    ]
    return [(term, str(fact)) for term, fact in rows if fact not in (None, "")]


def _frames(groups: Sequence[Group]) -> str:
    """'everyday: 100 frames from 30 sequences of 16 recordings; ...'"""
    return "; ".join(f"{group.name}: {frames_of(group)}" if group.name else frames_of(group) for group in groups)


def frames_of(group: Group, *kind: str) -> str:
    """'100 held-out everyday frames from 30 sequences of 16 recordings'; recordings are motion clips."""
    text = " ".join([f"{group.frames:,}", *kind, "frame" if group.frames == 1 else "frames"])
    text += f" from {counted(group.sequences, 'sequence')}" if group.sequences else ""
    return text + (f" of {counted(group.recordings, 'recording')}" if group.recordings else "")


def _selection(selection: Mapping[str, Any]) -> str:
    parts = [
        f"split {selection['split']}" if selection.get("split") else "",
        ", ".join(selection.get("groups") or []),
        f"subjects {', '.join(selection['subjects'])}" if selection.get("subjects") else "",
        f"{selection['per_subject']} a subject" if selection.get("per_subject") else "",
        f"{selection['frames']} in all" if selection.get("frames") else "",
    ]
    return "; ".join(part for part in parts if part)


def _backend(info: Mapping[str, Any]) -> str:
    """The backend, and for each attack its speed and how often the first check confirmed a crossing."""
    said = [str(info["backend"])] if info.get("backend") else []
    for name, facts in (info.get("attacks") or {}).items():
        speed = f"{facts['frames_per_s']:.1f} frames/s" if facts.get("frames_per_s") else ""
        held = facts.get("confirmed_first")
        checks = f"{100 * held:.0f} % of crossings confirmed at the first check" if held is not None else ""
        if speed or checks:
            said.append(f"{name} {', '.join(part for part in (speed, checks) if part)}")
    return "; ".join(said)


def _named(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items() if value not in (None, ""))
