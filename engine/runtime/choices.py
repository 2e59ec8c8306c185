"""What "auto" chose, remembered by machine: in the bundle where it can be written, else in a cache."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from turncoat.engine.runtime.source import Unexported
from turncoat.export.bundle import Bundle
from turncoat.export.gpu import find_gpu
from turncoat.kernels import TurncoatError
from turncoat.kernels.files import content_hash, write_json
from turncoat.kernels.machine import fingerprint

FILE = "choices.json"
FRAMES = 128
"""Frames that `turncoat verify` has to have looked at before its word is taken."""


@dataclass(frozen=True)
class Choice:
    """Which backend is used, and why.

    Attributes:
        backend: its name.
        why: one line for a person.
        milliseconds: backend -> of one call, as raced.
        left_out: backend -> why it was not raced.
    """

    backend: str
    why: str
    milliseconds: dict[str, float]
    left_out: dict[str, str]


def this_machine() -> str:
    """What verdicts and choices are kept under: processor, GPU (the first one) and versions."""
    gpu = find_gpu()
    return fingerprint() if gpu is None else fingerprint(gpu.name, gpu.capability, gpu.driver)


def recorded(bundle: Bundle, backend: str) -> tuple[bool | None, str]:
    """Whether `turncoat verify` passed a backend on this machine, and its first reason.

    None: it was not asked, or not thoroughly enough to trust it (few frames; a reduced precision without its attacks).
    """
    record = bundle.info.get("parity", {}).get(backend)
    if record is None or record.get("machine") != this_machine():
        return None, ""
    if not record["passed"]:
        return False, next(iter(record.get("reasons", [])), "")
    attacked = bool(record.get("attack")) or record.get("precision") == "float32" or not bundle.rungs("attack")
    return (True if attacked and record.get("frames", 0) >= FRAMES else None), ""


def remembered(key: str, bundle: Bundle, folder: Path, here: dict[str, str]) -> Choice | None:
    """The choice of this machine for `key`, if the same backends are offered and verified as when it was made.

    folder: of the cache.
    here: backend -> why it cannot be used, "" if it can.
    """
    for file in _files(bundle, folder):
        known = _read(file).get(this_machine(), {}).get(key)
        if (
            isinstance(known, dict)
            and known.get("offered") == _offered(bundle, here)
            and not here.get(known["backend"])
        ):
            return Choice(known["backend"], known["why"], known["milliseconds"], known["left_out"])
    return None


def remember(key: str, choice: Choice, bundle: Bundle, folder: Path, here: dict[str, str]) -> None:
    """Write a choice down where it can be written; nowhere is no error, it is only made again."""
    for file in _files(bundle, folder):
        known = _read(file)
        facts = asdict(choice) | {"offered": _offered(bundle, here)}
        known[this_machine()] = {**known.get(this_machine(), {}), key: facts}
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, known)
            return
        except (TurncoatError, OSError):
            continue


def _offered(bundle: Bundle, here: dict[str, str]) -> dict[str, bool | None]:
    """The backends that can be used, and what `turncoat verify` says of each."""
    return {name: recorded(bundle, name)[0] for name, reason in sorted(here.items()) if not reason}


def _files(bundle: Bundle, folder: Path) -> list[Path]:
    key = content_hash(json.dumps([bundle.weights_hash, bundle.precision, bundle.objective]).encode())[:16]
    cached = folder / f"choices-{key}.json"
    return [cached] if isinstance(bundle, Unexported) else [bundle.folder / FILE, cached]


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
