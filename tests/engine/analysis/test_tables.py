"""Tables 1, 2 and 4 from rows that can be counted by hand, and from two networks that were really attacked."""

import json
from pathlib import Path
from typing import Any

import pytest

from fixtures.small_run import attacked, control, write_small_run
from turncoat.engine.analysis.members import in_order, members_of
from turncoat.engine.analysis.tables import FamilyTables, make_tables
from turncoat.engine.runs import Run
from turncoat.kernels.errors import ConfigError, DataError

BEFORE, MISSED = "past the threshold before the attack", "iterations used up"


def rows_of(shift: float = 0.0, fooled: int = 3, **values: Any) -> list[dict[str, Any]]:
    """Eight frames of two subjects, the last one past the threshold before; S1 at 20 and 180 mm, S2 at 30 and 120."""
    rows = []
    for k in range(7):
        initial, final = (20.0, 180.0) if k < 4 else (30.0, 120.0)
        how: dict[str, Any] = {"error_initial_mm": initial, "error_final_mm": final + shift, "iterations": k + 1}
        rows.append(attacked(k, "fooled" if k < fooled else MISSED, **how, **values))
    rows.append(attacked(7, BEFORE, error_initial_mm=230.0, error_final_mm=230.0))
    rows += [control(k, "random direction", "natural", error_verified_mm=40.0 + k) for k in range(7)]
    rows += [control(k, "other subjects", outcome="fooled" if k == 0 else "below the threshold") for k in range(7)]
    return rows


def write(folder: Path, name: str, rows: list[dict[str, Any]] | None = None, **facts: Any) -> Run:
    return write_small_run(folder / name, rows if rows is not None else rows_of(), name, **facts)


@pytest.fixture
def tables(tmp_path: Path) -> FamilyTables:
    trained = {"method": "nsd", "images": 1000}
    runs = [
        write(tmp_path, "cssl-da", rows_of(-20.0, 1, ssim=0.8, psnr_db=28.0)),
        write(tmp_path, "ugar", rows_of(400.0), network={"metadata": trained, "given": True}),
        write(tmp_path, "cssl", rows_of(10.0, 2), network={"metadata": trained | {"method": "cssl"}}),
        write(tmp_path, "nsd", network={"metadata": trained | {"images": 3000}}),
        write(
            tmp_path,
            "nsd-decorrelated",
            rows_of(-50.0, 0),
            network={"metadata": trained | {"dataset": {"recipe": "decorrelated"}}},
        ),
    ]
    seeds = [write(tmp_path, f"nsd-seed{k}", rows_of(shift=3.0 * k, fooled=k + 1)) for k in (1, 2, 4)]
    return make_tables(runs, seeds={"nsd": seeds})


def test_rows_are_of_the_frames_that_were_really_attacked(tables: FamilyTables) -> None:
    (row,) = [row for row in tables.errors("natural", "everyday") if row.network == "nsd"]
    assert (row.frames, row.attacked, row.past_before, row.failed) == (8, 7, 1, 0)
    assert row.initial_mm.value == 25 and row.final_mm.value == 150, "means over the two subjects' means"
    assert row.initial_all_mm.value == pytest.approx((20 + (3 * 30 + 230) / 4) / 2)
    assert row.success.value == pytest.approx(3 / 7) and row.success.low < 3 / 7 < row.success.high
    assert row.iterations is not None and row.iterations[1] == 2
    assert row.judge_mm is None


def test_subjects_stand_apart_and_are_counted(tables: FamilyTables) -> None:
    assert tables.subjects == ["S1", "S2"]
    found = {
        row.subject: (row.attacked, row.initial_mm.value, row.final_mm.value)
        for subject in tables.subjects
        for row in tables.errors("natural", "everyday", subject)
        if row.network == "nsd"
    }
    assert found == {"S1": (4, 20, 180), "S2": (3, 30, 120)}


def test_controls_stand_beside_the_attack(tables: FamilyTables) -> None:
    (row,) = [row for row in tables.errors("natural", "everyday") if row.network == "nsd"]
    assert list(row.beside) == ["attack", "random direction", "other subjects"]
    assert row.beside["random direction"].error_mm.value == pytest.approx(43)
    assert row.beside["random direction"].success.value == 0 and row.beside["random direction"].success.high > 0.3
    assert row.beside["other subjects"].success.value == pytest.approx(1 / 7)


def test_networks_come_in_one_order_and_those_apart_are_no_averages_part(tables: FamilyTables) -> None:
    assert [member.name for member in tables.members] == ["nsd", "cssl", "cssl-da", "ugar", "nsd-decorrelated"]
    apart = {member.name: member.apart for member in tables.members if member.apart}
    assert set(apart) == {"ugar", "nsd-decorrelated"}
    assert "crops and masks" in apart["ugar"][0] and "decorrelated" in apart["nsd-decorrelated"][0]
    average = tables.averages["natural", "everyday"]
    assert average.networks == ("nsd", "cssl", "cssl-da")
    assert average.final_mm == pytest.approx((150 + 160 + 130) / 3), "UGAR's 550 mm are not in it"
    assert average.success == pytest.approx((3 + 2 + 1) / 7 / 3)


def test_what_was_trained_longer_is_marked(tables: FamilyTables) -> None:
    marks = {member.name: member.marks for member in tables.members}
    assert marks["nsd"] == ("longer trained (3,000 images)",) and marks["cssl"] == ()
    assert not tables.member("nsd").apart


def test_the_longer_trained_one_is_no_averages_part_where_another_of_its_method_is(tmp_path: Path) -> None:
    runs = [
        write(tmp_path, name, rows_of(shift), network={"metadata": {"method": method, "images": images}})
        for name, method, images, shift in (
            ("cssl", "cssl", 1000, 10.0), ("nsd-1k", "nsd", 1000, 40.0), ("nsd", "nsd", 3000, 0.0)
        )
    ]  # fmt: skip
    tables = make_tables(runs)
    assert [member.name for member in tables.members] == ["nsd", "nsd-1k", "cssl"]
    why = "longer trained (3,000 images), where nsd-1k saw as many as the others"
    assert tables.member("nsd").apart == (why,) == tables.member("nsd").marks
    assert tables.averages["natural", "everyday"].networks == ("nsd-1k", "cssl")


def test_table_2_has_both_conventions_of_the_mse(tables: FamilyTables) -> None:
    (row,) = [row for row in tables.pictures("natural", "everyday") if row.network == "nsd"]
    assert row.frames == 7
    assert row.values["ssim"].value == pytest.approx(0.9) and row.values["psnr_db"].value == pytest.approx(30)
    assert row.values["mse_sum"].value == pytest.approx(3 * row.values["mse_mean"].value)
    assert row.values["mse_sum_crop"].value == pytest.approx(0.006)


def test_table_4_pairs_cssl_with_cssl_da(tables: FamilyTables) -> None:
    found = tables.table_4["natural", "everyday"]
    assert (found.a.name, found.b.name, found.pairs, found.left_out) == ("cssl", "cssl-da", 7, 1)
    ssim, final = found.get("ssim"), found.get("error_final_mm")
    assert ssim is not None and ssim.difference.value == pytest.approx(-0.1)
    assert final is not None and final.difference.value == pytest.approx(-30)
    assert (found.success.only_a, found.success.only_b) == (1, 0)


def test_every_other_network_is_compared_with_nsd(tables: FamilyTables) -> None:
    found = tables.differences["natural", "everyday"]
    assert tables.reference == "nsd" and {one.a.name for one in found} == {"nsd"}
    assert [one.b.name for one in found] == ["cssl", "cssl-da", "ugar", "nsd-decorrelated"]


def test_seeds_give_the_spread_that_differences_are_read_against(tables: FamilyTables) -> None:
    (spread,) = tables.spreads
    assert [member.name for member in spread.members] == ["nsd-seed1", "nsd-seed2", "nsd-seed4"]
    success, final = spread.get("natural", "everyday", "success"), spread.get("natural", "everyday", "final_mm")
    assert success is not None and success.values == pytest.approx((2 / 7, 3 / 7, 5 / 7))
    assert success.largest == pytest.approx(3 / 7) and success.mean == pytest.approx(10 / 21)
    assert final is not None and final.values == pytest.approx((153, 156, 162))
    assert final.deviation == pytest.approx(4.583, abs=1e-3) and final.largest == pytest.approx(9)
    assert not spread.warning
    assert not any(row.network.startswith("nsd-seed") for row in tables.table_1)


def test_seeds_that_differ_in_more_than_the_seed_are_said_to(tmp_path: Path) -> None:
    runs = [
        write(tmp_path, f"nsd-seed{k}", network={"metadata": {"method": "nsd", "images": 1000 * k}}) for k in (1, 2)
    ]
    (spread,) = make_tables([write(tmp_path, "nsd")], seeds={"nsd": runs}).spreads
    assert spread.warning == "The seeds of nsd saw different numbers of images (1,000, 2,000)."
    with pytest.raises(ConfigError, match="at least 2 networks"):
        make_tables(runs[:1], seeds={"nsd": runs[1:]})


def test_one_network_makes_tables_too(tmp_path: Path) -> None:
    found = make_tables([write(tmp_path, "drnet")])
    assert found.reference == "drnet" and not found.averages
    assert found.differences["natural", "everyday"] == ()
    assert found.table_4_missing == "Table 4 compares cssl with cssl-da; cssl and cssl-da were not attacked."


def test_what_a_judge_sees_has_its_column(tmp_path: Path) -> None:
    judged = rows_of(judge_error_initial_mm=12.0, judge_error_mm=31.0)
    (row,) = make_tables([write(tmp_path, "nsd", judged)]).errors("natural", "everyday")
    assert row.judge_mm is not None and row.judge_mm.value == 31
    assert row.judge_initial_mm is not None and row.judge_initial_mm.value == 12


def test_a_frame_that_no_attack_began_on_is_no_number(tmp_path: Path) -> None:
    found = make_tables([write(tmp_path, "nsd"), write(tmp_path, "drnet", [attacked(k, BEFORE) for k in range(4)])])
    row = next(row for row in found.errors("natural", "everyday") if row.network == "drnet")
    assert (row.attacked, row.past_before) == (0, 4) and row.success.value != row.success.value
    assert found.differences["natural", "everyday"] == () and not found.averages


def test_the_tables_are_json(tables: FamilyTables) -> None:
    from turncoat.engine.cli.output import plain

    document = json.loads(json.dumps(plain(tables.facts()), allow_nan=False))
    assert document["networks"][0]["marks"] == ["longer trained (3,000 images)"]
    assert document["groups"] == {"everyday": {"frames": 8, "sequences": 4, "recordings": 4}}
    assert document["paper"]["table_1"]["NSD"]["S1"]["final_mm"] == 179.7
    assert set(document["table_4"]) == {"natural, everyday"}


@pytest.mark.parametrize(
    "change, words",
    [
        ({"settings": {"threshold_mm": 150.0}}, "differ in settings threshold_mm"),
        ({"settings": {"iterations": 50}}, "differ in settings iterations"),
        ({"selection": {"sample_ids_hash": "others"}}, "differ in selection sample_ids_hash"),
        ({"dataset": {"fingerprint": "studio-2"}}, "differ in dataset fingerprint"),
        ({"settings": {"attacks": ["paper"]}}, "share no attack"),
        ({"settings": {"attacks": ["colours-0.1"]}}, "share no attack"),
        ({"finish": False}, "is not finished"),
    ],
)
def test_runs_that_are_not_alike_are_refused(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises((ConfigError, DataError), match=words):
        make_tables([write(tmp_path, "nsd"), write(tmp_path, "cssl", **change)])


def test_two_networks_of_one_name_and_none_at_all_are_refused(tmp_path: Path) -> None:
    runs = [write_small_run(tmp_path / place, rows_of(), "nsd") for place in ("one", "two")]
    with pytest.raises(ConfigError, match="Two networks are called 'nsd'"):
        make_tables(runs)
    with pytest.raises(ConfigError, match="no run"):
        make_tables([])


def test_cards_say_what_run_json_does_not(tmp_path: Path) -> None:
    """A head other than the others', and the words "longer trained", stand in the card beside the weights."""
    runs = []
    for name, head, said in (("nsd", "official", []), ("nsd-wide", "wide", ["Longer trained than its table."]),
                             ("cssl", "official", [])):  # fmt: skip
        card = {"file": {"sha256": name}, "network": {"head": head}, "known_limits": said}
        (tmp_path / f"{name}.json").write_text(json.dumps(card))
        runs.append(write(tmp_path / "runs", name, network={"path": str(tmp_path / f"{name}.safetensors")}))
    members = {member.name: member for member in members_of(runs)}
    assert members["nsd-wide"].apart == ("wide head",) and members["nsd-wide"].marks == ("wide head", "longer trained")
    assert members["nsd"].marks == () and members["cssl"].marks == ()
    (tmp_path / "nsd-wide.json").write_text(json.dumps({"file": {"sha256": "of other weights"}}))
    assert members_of(runs)[1].marks == ()


def test_unknown_networks_stand_behind_the_known_ones() -> None:
    assert in_order(["mine", "drnet", "nsd-240k", "yours", "nsd", "nsd-wide-2"]) == [
        "nsd", "nsd-240k", "nsd-wide-2", "drnet", "mine", "yours",
    ]  # fmt: skip
