"""Whether two descriptions are of one run, and if not, where they differ."""

from collections.abc import Iterator, Mapping
from typing import Any

MISSING = object()

# What changes how fast a run goes, or where things lie, not what comes out.
MAY_DIFFER: set[tuple[str, ...]] = {
    ("command",),
    ("versions",),
    ("machine",),
    ("settings", "batch"),
    ("settings", "device"),
    ("dataset", "folder"),
    ("generator", "path"),
    ("target", "path"),
    ("judge", "path"),
}
NETWORKS = ("generator", "target", "judge")
SHOWN = 3


def differences(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Values that differ: what it is ("settings threshold_mm"), what it was, what it is now (MISSING: not there).

    Facts that only `there` has are not compared, but for the shard: run.json holds results beside facts. Of a network
    one value is enough, for its weights decide all others.
    """
    found = []
    for name in [*now, *(("shard",) if "shard" in there and "shard" not in now else ())]:
        leaves = [
            (" ".join(where), was, value)
            for where, was, value in _leaves((name,), there.get(name, MISSING), now.get(name, MISSING))
        ]
        found += leaves[:1] if name in NETWORKS else leaves
    return found


def _leaves(where: tuple[str, ...], there: Any, now: Any) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if where in MAY_DIFFER or there == now:
        return
    if isinstance(there, Mapping) and isinstance(now, Mapping):
        for key in {**now, **there}:
            yield from _leaves((*where, str(key)), there.get(key, MISSING), now.get(key, MISSING))
        return
    yield where, there, now


def said(found: list[tuple[str, Any, Any]], between: str = ", now ") -> str:
    """`differences` as a sentence says them, the first three: ``settings threshold_mm (60.0, now 100.0)``."""
    texts = [f"{what} ({_shown(was)}{between}{_shown(value)})" for what, was, value in found[:SHOWN]]
    more = len(found) - len(texts)
    return ", ".join(texts) + (f" and {more} more" if more else "")


def _shown(value: Any) -> str:
    """A value as a sentence shows it; of a network, its name."""
    if value is MISSING or value is None:
        return "none"
    return repr(value["name"]) if isinstance(value, Mapping) and "name" in value else repr(value)
