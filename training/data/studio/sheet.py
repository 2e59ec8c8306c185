"""The contact sheet: one picture that shows what is in a dataset, drawn from its face alone.

A row a subject: one frame with its part and material labels, then frames with joints, mask outline and person box,
chosen to show splits, groups, actions, scenes and cameras as evenly as the row allows. Backgrounds stand below.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from turncoat.kernels.skeleton import BONES, LEFT, RIGHT
from turncoat.training.data.dataset import Dataset
from turncoat.training.data.index import SPLITS

CELL, GAP, CAPTION, MARGIN, SIDE = 164, 8, 32, 24, 96
OVERLAYS, MOST_SUBJECTS = 6, 12
THUMB, SCENE_WIDTH = 74, 328
SUPERSAMPLING = 4

PAPER, INK, FAINT = (250, 250, 248), (32, 34, 40), (118, 122, 130)
SPLIT_COLOURS = {
    "train": (88, 110, 140),
    "validation": (28, 150, 160),
    "held-out": (226, 132, 20),
    "unseen motion": (132, 88, 190),
    "unseen subject": (208, 52, 92),
    "unseen scene": (70, 150, 60),
}
ACROBATIC = (196, 60, 40)
SIDES = {"left": (64, 208, 255), "right": (255, 140, 64), "middle": (255, 255, 255)}
OUTLINE, BOX = (255, 230, 70), (255, 255, 255)
PARTS = np.array(
    [(0, 0, 0), (250, 214, 170), (214, 72, 72), (160, 60, 120), (70, 130, 200), (100, 170, 230), (160, 205, 245),
     (230, 140, 60), (240, 175, 90), (250, 205, 140), (50, 110, 90), (80, 160, 120), (130, 200, 150), (140, 110, 40),
     (185, 150, 70), (220, 195, 120)],
    dtype=np.uint8,
)  # fmt: skip
MATERIALS = np.array(
    [(0, 0, 0), (244, 200, 170), (110, 70, 40), (220, 70, 70), (255, 160, 150), (60, 90, 180), (140, 170, 240),
     (60, 60, 66), (120, 220, 200)] + [(200, 200, 200)] * 7,
    dtype=np.uint8,
)  # fmt: skip


@dataclass(frozen=True)
class Sheet:
    """``picture`` RGB image; ``rows`` int64: the samples shown; ``unreadable``: ids of samples that were skipped."""

    picture: Image.Image
    rows: np.ndarray
    unreadable: list[str]


def contact_sheet(dataset: Dataset) -> Sheet:
    """Draw the sheet of any dataset with masks, labels and joints; damaged samples are skipped and named."""
    subjects = np.unique(dataset.column("subject"))[:MOST_SUBJECTS].tolist()
    chosen, unreadable = choose(dataset, subjects)
    columns = OVERLAYS + 3
    width = 2 * MARGIN + SIDE + columns * (CELL + GAP) - GAP
    head, row_height = _head_height(), CELL + CAPTION + GAP
    scenes = list(dict.fromkeys(view["scene"] for view in dataset.info["views"]))
    lines = -(-len(scenes) // (width // SCENE_WIDTH))
    height = head + len(subjects) * row_height + lines * (THUMB + 30) + MARGIN
    picture = Image.new("RGB", (width, height), PAPER)
    _draw_head(picture, dataset, len(unreadable))
    for number, subject in enumerate(subjects):
        _draw_subject(picture, dataset, subject, chosen[subject], head + number * row_height)
    _draw_backgrounds(picture, dataset, scenes, head + len(subjects) * row_height)
    return Sheet(picture, np.concatenate([*chosen.values(), np.zeros(0, np.int64)]), unreadable)


def choose(dataset: Dataset, subjects: list[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Rows to show of each subject, most different first, and the ids of unreadable ones met on the way."""
    index = {name: dataset.column(name) for name in ("split", "group", "action", "scene", "camera", "sample_id")}
    seen_actions: Counter[str] = Counter()
    chosen: dict[str, np.ndarray] = {}
    unreadable: list[str] = []
    for subject in subjects:
        left = dataset.select(subject=subject)
        tie = np.array([_rank(name) for name in index["sample_id"][left]])
        counts: dict[str, Counter] = {name: Counter() for name in ("split", "group", "action", "scene", "camera")}
        picks: list[int] = []
        while len(left) and len(picks) < OVERLAYS + 1:
            cost = tie + 0.5 * _times(seen_actions, index["action"][left])
            for name, weight in (("split", 3.0), ("group", 1.5), ("action", 6.0), ("scene", 2.0), ("camera", 2.0)):
                cost = cost + weight * _times(counts[name], index[name][left])
            best = int(np.argmin(cost))
            row = int(left[best])
            left, tie = np.delete(left, best), np.delete(tie, best)
            if len(dataset.read_valid([row])[2]):
                unreadable.append(str(index["sample_id"][row]))
                continue
            picks.append(row)
            seen_actions[str(index["action"][row])] += 1
            for name, counter in counts.items():
                counter[index[name][row].item()] += 1
        chosen[subject] = np.array(picks, dtype=np.int64)
    return chosen, unreadable


def overlay(dataset: Dataset, row: int, side: int) -> Image.Image:
    """A frame, ``side`` pixels wide, with mask outline, person box and joints drawn over it."""
    picture = _frame(dataset, row, side)
    large, scale = side * SUPERSAMPLING, side * SUPERSAMPLING / dataset.size
    alpha = Image.fromarray(dataset.masks([row])[0, 0]).resize((large, large), Image.Resampling.BICUBIC)
    inside = alpha.point([255 * (value > 127) for value in range(256)])
    edge = ImageChops.subtract(inside.filter(ImageFilter.MaxFilter(7)), inside)
    _lay(picture, OUTLINE, edge, 0.85)

    lines = Image.new("L", (large, large))
    x0, y0, x1, y1 = (dataset.person_box([row])[0] * scale).tolist()
    ImageDraw.Draw(lines).rectangle((x0, y0, x1 - 1, y1 - 1), outline=255, width=SUPERSAMPLING)
    _lay(picture, BOX, lines, 0.6)

    joints = dataset.joints_2d([row])[0] * scale
    _lay(picture, (0, 0, 0), _skeleton(joints, range(len(BONES)), large, 2.8, 2.6), 0.5)
    for name, colour in SIDES.items():
        bones = [number for number, (_, child) in enumerate(BONES) if _side(child) == name]
        _lay(picture, colour, _skeleton(joints, bones, large, 1.4, 1.8), 1.0)
    return picture


def _frame(dataset: Dataset, row: int, side: int) -> Image.Image:
    frame = np.ascontiguousarray(dataset.read([row])[0].transpose(1, 2, 0))
    return Image.fromarray(frame).resize((side, side), Image.Resampling.BICUBIC)


def _side(joint: int) -> str:
    return "left" if joint in LEFT else "right" if joint in RIGHT else "middle"


def _skeleton(joints: np.ndarray, bones: range | list[int], large: int, line: float, dot: float) -> Image.Image:
    """Coverage of these bones and their end joints; ``line`` width and ``dot`` radius in pixels of the picture."""
    cover = Image.new("L", (large, large))
    draw = ImageDraw.Draw(cover)
    for number in bones:
        parent, child = BONES[number]
        draw.line([*joints[parent], *joints[child]], fill=255, width=round(line * SUPERSAMPLING))
        x, y = joints[child]
        reach = dot * SUPERSAMPLING
        draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=255)
    return cover


def _lay(picture: Image.Image, colour: tuple[int, int, int], cover: Image.Image, opacity: float) -> None:
    """Paint ``colour`` where the supersampled ``cover`` is."""
    small = cover.resize(picture.size, Image.Resampling.BOX).point([round(opacity * value) for value in range(256)])
    picture.paste(colour, (0, 0), small)


def _labels(labels: np.ndarray, colours: np.ndarray, frame: Image.Image, side: int) -> Image.Image:
    """Labels uint8 (H, W) in colour over the faded frame; no smoothing, so that every pixel's label can be seen."""
    painted = Image.fromarray(colours[labels]).resize((side, side), Image.Resampling.NEAREST)
    person = Image.fromarray((labels > 0).astype(np.uint8) * 255).resize((side, side), Image.Resampling.NEAREST)
    return Image.composite(painted, Image.blend(frame, Image.new("RGB", frame.size, (235, 235, 235)), 0.65), person)


def _draw_subject(picture: Image.Image, dataset: Dataset, subject: str, rows: np.ndarray, top: int) -> None:
    draw = ImageDraw.Draw(picture)
    here = dataset.column("subject") == subject
    splits = np.unique(dataset.column("split")[here]).tolist()
    draw.text((MARGIN, top + 8), subject, INK, _font(22))
    notes = [f"{int(here.sum()):,} frames"]
    for name in ("body", "wardrobe"):
        values = np.unique(dataset.column(name)[here])
        notes.append(
            str(values[0]) if len(values) == 1 else f"{len(values)} {'bodies' if name == 'body' else name + 's'}"
        )
    draw.multiline_text((MARGIN, top + 40), "\n".join(notes), FAINT, _font(12), spacing=5)
    if splits == ["unseen subject"]:
        draw.multiline_text(
            (MARGIN, top + 100), "never\ntrained on", SPLIT_COLOURS["unseen subject"], _font(12), spacing=4
        )
    if not len(rows):
        draw.text((MARGIN + SIDE, top + 8), "no readable frame", ACROBATIC, _font(14))
        return
    first = int(rows[0])
    plain = _frame(dataset, first, CELL)
    parts, materials = dataset.labels([first])
    cells = [plain, _labels(parts[0], PARTS, plain, CELL), _labels(materials[0], MATERIALS, plain, CELL)]
    cells += [overlay(dataset, int(row), CELL) for row in rows[1:]]
    for number, cell in enumerate(cells):
        left = MARGIN + SIDE + number * (CELL + GAP)
        picture.paste(cell, (left, top))
        if number in (1, 2):
            draw.text((left, top + CELL + 4), ("body parts", "materials")[number - 1], FAINT, _font(12))
            continue
        row = first if number == 0 else int(rows[number - 2])
        _draw_caption(draw, dataset, row, left, top)


def _draw_caption(draw: ImageDraw.ImageDraw, dataset: Dataset, row: int, left: int, top: int) -> None:
    value = {name: str(dataset.column(name)[row]) for name in ("split", "group", "action", "scene", "camera")}
    colour = SPLIT_COLOURS.get(value["split"], FAINT)
    draw.rectangle((left, top, left + CELL - 1, top + CELL - 1), outline=colour, width=3)
    tag = draw.textlength(value["split"], font=_font(11))
    draw.rectangle((left, top, left + tag + 10, top + 16), fill=colour)
    draw.text((left + 5, top + 1), value["split"], (255, 255, 255), _font(11))
    end = _text(draw, left, top + CELL + 2, value["action"].replace("_", " "), INK)
    if value["group"] == "acrobatic":
        _diamond(draw, end + 10, top + CELL + 11)
    draw.text((left, top + CELL + 17), f"{value['scene']}, camera {value['camera']}", FAINT, _font(11))


def _head_height() -> int:
    return MARGIN + 30 + 24 + 30 + 30


def _draw_head(picture: Image.Image, dataset: Dataset, unreadable: int) -> None:
    draw, info = ImageDraw.Draw(picture), dataset.info
    facts = [str(info[key]) for key in ("recipe", "preset") if info.get(key)]
    title = f"{info.get('name', 'dataset')}: {', '.join(facts)}" if facts else str(info.get("name", "dataset"))
    draw.text((MARGIN, MARGIN - 6), title, INK, _font(24))
    counts = {name: len(np.unique(dataset.column(name))) for name in ("subject", "action", "scene", "camera")}
    groups = Counter(
        dict(zip(dataset.column("action").tolist(), dataset.column("group").tolist(), strict=True)).values()
    )
    line = (
        f"{len(dataset):,} frames of {dataset.size} x {dataset.size}; {counts['subject']} subjects, "
        + f"{counts['action']} actions ("
        + ", ".join(f"{number} {name}" for name, number in sorted(groups.items(), reverse=True))
        + f"), {counts['scene']} scenes, {counts['camera']} cameras"
        + f"; fingerprint {str(info.get('fingerprint', 'unknown'))[:12]}"
        + (f"; {counts['subject'] - MOST_SUBJECTS} subjects more" if counts["subject"] > MOST_SUBJECTS else "")
    )
    draw.text((MARGIN, MARGIN + 28), line, FAINT, _font(14))
    if unreadable:
        text = f"{unreadable} unreadable frames skipped"
        draw.text((picture.width - MARGIN, MARGIN), text, ACROBATIC, _font(14), anchor="ra")
    x, y = MARGIN, MARGIN + 58
    split = Counter(dataset.column("split").tolist())
    for name in [*(name for name in SPLITS if name in split), *(name for name in split if name not in SPLITS)]:
        colour = SPLIT_COLOURS.get(name, FAINT)
        draw.rectangle((x, y + 1, x + 14, y + 15), fill=colour)
        x = _text(draw, x + 20, y, f"{name} {split[name]:,}", INK) + 18
    x, y = MARGIN, y + 26
    for name, colour in SIDES.items():
        draw.rectangle((x, y + 4, x + 20, y + 11), fill=colour, outline=(90, 90, 90))
        x = _text(draw, x + 26, y, {"middle": "trunk joints"}.get(name, f"{name} joints"), INK) + 18
    draw.rectangle((x, y + 4, x + 20, y + 11), fill=OUTLINE, outline=(90, 90, 90))
    x = _text(draw, x + 26, y, "mask outline", INK) + 18
    draw.rectangle((x, y, x + 14, y + 14), outline=(150, 150, 150))
    x = _text(draw, x + 20, y, "person box", INK) + 18
    _diamond(draw, x + 5, y + 8)
    _text(draw, x + 16, y, "acrobatic action (others everyday)", INK)


def _draw_backgrounds(picture: Image.Image, dataset: Dataset, scenes: list[str], top: int) -> None:
    draw, views = ImageDraw.Draw(picture), dataset.info["views"]
    per_line = picture.width // SCENE_WIDTH
    for number, scene in enumerate(scenes):
        x, y = MARGIN + number % per_line * SCENE_WIDTH, top + number // per_line * (THUMB + 30)
        end = _text(draw, x, y, scene, INK)
        splits = np.unique(dataset.column("split")[dataset.column("scene") == scene]).tolist()
        if splits == ["unseen scene"]:
            _text(draw, end + 10, y, "never trained on", SPLIT_COLOURS["unseen scene"])
        fitting = SCENE_WIDTH // (THUMB + 4)
        for view in [number for number, view in enumerate(views) if view["scene"] == scene][:fitting]:
            frame = Image.fromarray(np.ascontiguousarray(dataset.backgrounds[view].transpose(1, 2, 0)))
            picture.paste(frame.resize((THUMB, THUMB), Image.Resampling.BICUBIC), (x, y + 20))
            x += THUMB + 4


def _times(counter: Counter, values: np.ndarray) -> np.ndarray:
    known, inverse = np.unique(values, return_inverse=True)
    return np.array([counter[value] for value in known.tolist()], dtype=np.float64)[inverse]


def _rank(name: str) -> float:
    """A number in [0, 1) that depends on the sample's id alone."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest()) / 2**32


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _diamond(draw: ImageDraw.ImageDraw, x: float, y: float) -> None:
    draw.polygon([(x, y - 5), (x + 5, y), (x, y + 5), (x - 5, y)], fill=ACROBATIC)


def _text(draw: ImageDraw.ImageDraw, x: float, y: float, text: str, colour: tuple[int, int, int]) -> int:
    """Draw text and return where it ends."""
    draw.text((x, y), text, colour, _font(13))
    return round(x + draw.textlength(text, font=_font(13)))
