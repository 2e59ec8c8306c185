"""Which values of two descriptions differ, and how a sentence says it."""

from typing import Any

import pytest

from turncoat.engine.runs.same import MISSING, differences, said

THERE: dict[str, Any] = {
    "settings": {"threshold_mm": 60.0, "step_size": {"paper": 1.0}, "batch": 64, "device": "cpu"},
    "dataset": {"folder": "data", "fingerprint": "aa"},
    "generator": {"name": "nsd", "path": "nsd.safetensors", "weights_hash": "11", "metadata": {"images": 10}},
    "judge": None,
    "versions": {"torch": "2.13"},
    "status": "running",
}


def changed(**changes: Any) -> dict[str, Any]:
    facts = {name: dict(value) if isinstance(value, dict) else value for name, value in THERE.items()}
    del facts["status"]
    for name, value in changes.items():
        facts[name] = {**facts[name], **value} if isinstance(value, dict) and facts[name] else value
    return facts


def test_what_changes_speed_or_place_alone_is_no_difference() -> None:
    now = changed(settings={"batch": 1, "device": "cuda"}, dataset={"folder": "other"}, generator={"path": "x"},
                  versions={"torch": "2.14"})  # fmt: skip
    assert differences(THERE, now) == []


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"settings": {"threshold_mm": 70.0}}, "settings threshold_mm (60.0, now 70.0)"),
        ({"settings": {"step_size": {"paper": 0.5}}}, "settings step_size paper (1.0, now 0.5)"),
        ({"settings": {"restarts": 4}}, "settings restarts (none, now 4)"),
        ({"dataset": {"fingerprint": "bb"}}, "dataset fingerprint ('aa', now 'bb')"),
        ({"judge": {"name": "judge"}}, "judge (none, now 'judge')"),
        ({"generator": {"weights_hash": "22", "metadata": {"images": 20}}}, "generator weights_hash ('11', now '22')"),
    ],
)
def test_the_first_difference_is_said_by_name_with_both_values(changes: dict[str, Any], words: str) -> None:
    assert said(differences(THERE, changed(**changes))) == words


def test_several_differences_are_said_and_the_rest_counted() -> None:
    found = [(f"settings s{n}", n, n + 1) for n in range(5)]
    assert said(found) == "settings s0 (0, now 1), settings s1 (1, now 2), settings s2 (2, now 3) and 2 more"


def test_a_whole_run_and_a_shard_differ() -> None:
    shard = {"number": 1, "of": 2}
    assert differences({**THERE, "shard": shard}, changed()) == [("shard", shard, MISSING)]
    assert differences(THERE, changed() | {"shard": shard}) == [("shard", MISSING, shard)]
    assert differences({**THERE, "shard": shard}, changed() | {"shard": {"number": 2, "of": 2}})
