"""The networks of a table: which may stand together, and what is said beside those that may not."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from turncoat.engine.runs import Run
from turncoat.kernels.errors import ConfigError

ORDER = (
    "nsd", "nsd-wide", "cssl", "cssl-da", "drnet", "ugar", "nsd-decorrelated", "cssl-decorrelated", "supervised",
    "judge",
)  # fmt: skip
LONGER = 1.2  # times the images of the others


@dataclass(frozen=True)
class Member:
    """A network of the tables, as its run and its card describe it.

    Attributes:
        name: what a person calls it. method: how it was trained ("" if unknown).
        images: how many it was trained on, None if unknown. recipe: of its training data, None if unknown.
        weights_hash, folder: of its weights; of its run.
        apart: why it is no average's part: other data, another head, crops and masks that were given, longer training
            than another of its method. Empty: it is.
        marks: what has to be known beside its numbers; `apart` is among them.
    """

    name: str
    method: str
    images: int | None
    recipe: str | None
    weights_hash: str | None
    folder: str
    apart: tuple[str, ...]
    marks: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)


def members_of(runs: Sequence[Run]) -> list[Member]:
    """One member a run, in the runs' order.

    Raises:
        ConfigError: two runs are of networks of one name.
    """
    raw = [_Described(run) for run in runs]
    names = [one.name for one in raw]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"Two networks are called {name!r}; rename one file of weights, so that rows can be told."
            )
    usual_images = _usual([one.images for one in raw])
    usual_head = _most([one.head for one in raw])
    return [one.member(usual_images, usual_head) for one in raw]


def one_a_method(members: Sequence[Member]) -> list[Member]:
    """The same, longer trained ones apart where another of their method saw as many images as all others."""
    as_long = {one.method: one.name for one in reversed(members) if not one.marks and one.method}
    return [_beside(one, as_long.get(one.method)) for one in members]


def _beside(member: Member, like: str | None) -> Member:
    if like is None or member.apart or not member.marks:
        return member
    why = (f"{member.marks[0]}, where {like} saw as many as the others",)
    return replace(member, apart=why, marks=why)


def name_of(run: Run) -> str:
    """What a run is of: its network, or "generator on target"."""
    generator, target = str(run.info["generator"]["name"]), str(run.info["target"]["name"])
    return generator if run.info["generator"] == run.info["target"] else f"{generator} on {target}"


def in_order(names: Sequence[str]) -> list[str]:
    """The names in the order of all tables; nsd-240k and the like behind nsd, others at the end, as they came."""

    def place(name: str) -> tuple[int, bool]:
        known = max((one for one in ORDER if name == one or name.startswith(f"{one}-")), key=len, default=None)
        return (len(ORDER), False) if known is None else (ORDER.index(known), name != known)

    return sorted(names, key=place)


class _Described:
    """What run.json and the card beside the weights (if they still lie there) say of a network."""

    def __init__(self, run: Run) -> None:
        info, target = run.info["generator"], run.info["target"]
        self.run, self.info, self.name = run, info, name_of(run)
        self.transfer = None if info == target else str(target["name"])
        self.metadata: dict[str, Any] = info.get("metadata") or {}
        self.card = _card(info)
        self.method = str(self.metadata.get("method") or "")
        self.images: int | None = self.metadata.get("images")
        self.head = (self.metadata.get("network") or self.card.get("network") or {}).get("head")
        self.trained: dict[str, Any] = self.metadata.get("method_settings") or {}
        self.recipe = (self.metadata.get("dataset") or {}).get("recipe")

    def member(self, usual_images: float | None, usual_head: str | None) -> Member:
        apart = []
        if self.method == "ugar" or any(self.run.info[side].get("given") for side in ("generator", "target")):
            apart.append("given the dataset's crops and masks, also under attack")
        if self.recipe == "decorrelated":
            apart.append("trained on decorrelated data: any body in any clothes")
        if any((self.trained.get("jitter") or {}).values()):
            apart.append("colours jittered in training")
        if self.head is not None and self.head != usual_head:
            apart.append(f"{self.head} head")
        if self.transfer is not None:
            apart.append(f"attacks {self.transfer}, another network")
        marks = list(apart)
        longer = self.images and usual_images and self.images > LONGER * usual_images
        if longer or _says_longer(self.card) or _says_longer(self.metadata):
            count = f" ({self.images:,} images)" if self.images else ""
            marks.append(f"longer trained{count}")
        return Member(
            self.name,
            self.method,
            self.images,
            self.recipe,
            self.info.get("weights_hash"),
            str(self.run.folder),
            tuple(apart),
            tuple(marks),
        )


def _card(info: dict[str, Any]) -> dict[str, Any]:
    """The card beside the weights, or {} where there is none, or one of other weights."""
    try:
        card = json.loads(Path(str(info["path"])).with_suffix(".json").read_text(encoding="utf-8"))
        same = isinstance(card, dict) and card["file"]["sha256"] == info["weights_hash"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return card if same else {}


def _says_longer(description: dict[str, Any]) -> bool:
    """Whether a card or metadata calls the network longer trained: a flag, or in words in one of its top entries."""
    if description.get("longer_trained"):
        return True
    said = [value for value in description.values() if isinstance(value, str | list)]
    return "longer trained" in json.dumps(said).lower()


def _usual(counts: Sequence[int | None]) -> float | None:
    """The images that most networks were trained on: the lower median of those that are known."""
    known = sorted(count for count in counts if count)
    return known[(len(known) - 1) // 2] if known else None


def _most(values: Sequence[str | None]) -> str | None:
    known = [value for value in values if value is not None]
    return max(known, key=known.count) if known else None
