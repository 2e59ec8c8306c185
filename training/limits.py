"""What a network cannot do, in sentences that follow from its card's numbers by rule."""

from collections.abc import Iterator
from typing import Any

FEW = 10
"""Fewer sequences, or motion clips, than this say little about others. [choice]"""
LEAK = 1.1
"""The appearance code tells as much about the pose as the pose code if its MPJPE is below so much of that. [choice]"""
SPREAD = 1.5
"""People are told apart if that succeeds so much more often than naming the commonest. [choice]"""


def known_limits(card: dict[str, Any]) -> list[str]:
    """Sentences, each with the number it follows from; empty where nothing was measured."""
    evaluation, labels = card.get("evaluation") or {}, card.get("labels") or {}
    return [
        *_made(card.get("network") or {}),
        *_missed(evaluation.get("targets") or []),
        *_poses(evaluation.get("splits") or {}),
        *_labels(labels),
        *_people(evaluation.get("identity") or []),
        "Trained and measured on rendered people in rendered rooms; nothing is known about photographs.",
    ]


def _made(network: dict[str, Any]) -> Iterator[str]:
    paints = network.get("paints", "person")
    if paints == "nothing":
        yield "It has no decoder: it predicts poses, and cannot repaint anybody."
    if paints == "crop":
        yield "It is given box and mask of the person by the dataset, so it does not stand beside those that find them."
    if network.get("head") == "official":
        yield "Official head: the pose code determines the appearance code by construction; only the decoder separates."


def _missed(targets: list[dict[str, Any]]) -> Iterator[str]:
    for line in targets:
        if line["holds"] is False:
            bound = "at least" if line["at_least"] else "at most"
            scale, unit = (100, " %") if line["unit"] == "%" else (1, f" {line['unit']}".rstrip())
            yield (
                f"Held-out, everyday: {line['what']} is {line['measured'] * scale:.3g}{unit}, "
                f"{bound} {line['asked'] * scale:g}{unit} was asked."
            )


def _poses(splits: dict[str, Any]) -> Iterator[str]:
    for split, groups in splits.items():
        for group, cell in groups.items():
            poses = cell["poses"]
            where, own = f"{split.capitalize()}, {group}", poses["mpjpe"]["mean"]
            for name, whose in (("mean_pose", "all training frames"), ("group_mean_pose", f"{group} training frames")):
                ratio = poses.get(f"{name}_ratio")
                if ratio and ratio["mean"] >= 1:
                    beyond = "worse than" if (ratio["low"] or 1) > 1 else "no better than"
                    other = poses[f"{name}_mm"]["mean"]
                    yield f"{where}: MPJPE {own:.0f} mm, {beyond} the mean pose of {whose} ({other:.0f} mm)."
                    break
            if min(poses["sequences"], poses["motions"]) < FEW:
                of = f"{poses['sequences']} sequences of {poses['motions']} motion clips"
                yield f"{where}: measured on {of}; others may differ more than its interval."
            pictures = cell.get("pictures")
            if pictures and pictures["person_db"]["mean"] < pictures["background_db"]["mean"] + 3:
                yield (
                    f"{where}: the repainted person is {pictures['person_db']['mean']:.1f} dB, the empty background "
                    f"{pictures['background_db']['mean']:.1f} dB."
                )


def _labels(labels: dict[str, Any]) -> Iterator[str]:
    lines = {line["labels"]: line for line in labels.get("table") or []}
    if "all" in lines:
        pose, appearance = (lines["all"][code]["mean"] for code in ("pose_code", "appearance"))
        if appearance <= LEAK * pose:
            yield (
                f"The appearance code tells the pose as well as the pose code does: MPJPE {appearance:.0f} and "
                f"{pose:.0f} mm (mean pose {lines['all']['mean_pose']['mean']:.0f} mm)."
            )


def _people(found: list[dict[str, Any]]) -> Iterator[str]:
    """What a probe reads from the pose code, beside what one reads from the true pose and from posture alone."""
    for column in dict.fromkeys(each["of"] for each in found):

        def best(*codes: str, of: str = column) -> dict[str, Any] | None:
            known = [each for each in found if each["of"] == of and each["code"] in codes and each["accuracy"]]
            return max(known, key=lambda each: each["accuracy"]["mean"], default=None)

        own, true, posture = best("pose_code"), best("true_pose", "true_lengths"), best("true_limbs")
        if own is None or true is None or posture is None:
            continue
        chance = max(own["chance"]["one_of"], own["chance"]["most_common"])
        if (own["accuracy"]["low"] or 0) <= SPREAD * chance:
            continue
        read, wholly, alone, blind = (
            f"{100 * share:.0f} %" for share in (*(each["accuracy"]["mean"] for each in (own, true, posture)), chance)
        )
        beyond = (own["over_true_pose"]["low"] or 0) > 0
        yield (
            f"The pose code tells the {column}, {'more' if beyond else 'not more'} than a correct pose does: probes "
            f"are right in {read} of unseen sequences' frames, from the true pose in {wholly}, from the true "
            f"directions of arms and legs alone in {alone} (chance {blind})."
        )
