"""`turncoat tables` and `turncoat compare` on networks that are really attacked: tiny ones, on stick figures."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.lively import STEP_SIZES, lively
from turncoat.engine.analysis import family
from turncoat.engine.analysis.family import default_networks
from turncoat.engine.attack import AttackSettings
from turncoat.engine.cli import main
from turncoat.engine.runs import open_run
from turncoat.engine.sweep import Selection
from turncoat.training.checkpoint import save_network, shipped_weights
from turncoat.training.data import open_dataset

NAMES = ("nsd", "cssl", "cssl-da", "ugar")
QUICK = ("--per-subject", 3, "--iterations", 5, "--threshold", 90, "--precision", "float32")


@pytest.fixture(scope="module")
def weights(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Untrained networks: three of their own, one that is told where the person is, one that repaints nobody."""
    dataset, folder = open_dataset(tiny_dataset), tmp_path_factory.mktemp("weights")
    found = {}
    for seed, name in enumerate((*NAMES, "nsd-seed1", "eye")):
        network = lively({"ugar": "crop", "eye": "nothing"}.get(name, "person"), dataset, seed)
        found[name] = folder / f"{name}.safetensors"
        metadata = {"method": name.split("-")[0], "images": 1000, "attack_step_size": STEP_SIZES}
        save_network(found[name], network, metadata)
    return found


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_info:
        main([*map(str, arguments)])
    captured = capsys.readouterr()
    return int(exit_info.value.code or 0), captured.out, captured.err


@pytest.fixture(scope="module")
def made(tiny_dataset: Path, weights: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of four networks and two seeds."""
    out = tmp_path_factory.mktemp("made")
    seeds = f"nsd={weights['nsd']},{weights['nsd-seed1']}"
    with pytest.raises(SystemExit) as exit_info:
        main([*map(str, ["tables", *(weights[name] for name in NAMES), "--data", tiny_dataset, "--out", out,
                         "--seeds", seeds, *QUICK])])  # fmt: skip
    assert not exit_info.value.code
    return out


def test_one_command_attacks_all_and_writes_the_tables(made: Path) -> None:
    assert {path.name for path in made.iterdir()} == {"runs", "tables.html", "tables.md", "tables.json"}
    document = json.loads((made / "tables.json").read_text())
    assert [(one["name"], bool(one["apart"])) for one in document["networks"]] == [
        ("nsd", False), ("cssl", False), ("cssl-da", False), ("ugar", True),
    ]  # fmt: skip
    assert document["groups"]["everyday"]["frames"] == 6
    rows = [row for row in document["table_1"] if row["subject"] is None]
    assert {(row["network"], row["setting"]) for row in rows} == {(a, b) for a in NAMES for b in ("paper", "natural")}
    for row in rows:
        if row["attacked"]:
            assert {"attack", "random direction", "same subject", "other subjects"} == set(row["beside"])
    assert document["averages"]["paper, everyday"]["networks"] == ["nsd", "cssl", "cssl-da"]
    assert len(document["seeds"][0]["members"]) == 2


def test_processes_attack_a_network_each_and_find_the_same(
    made: Path, weights: dict[str, Path], tiny_dataset: Path, tmp_path: Path
) -> None:
    shares: list[float] = []
    told: list[tuple[str, bool]] = []
    settings = AttackSettings(**open_run(made / "runs" / "nsd").info["settings"])
    selection = Selection(groups=("everyday",), per_subject=3, at_most=80, minimum_gap_s=0.35)
    shutil.copytree(made / "runs" / "cssl", tmp_path / "runs" / "cssl")
    runs = family.attack_family(
        [weights[name] for name in ("cssl", "ugar", "nsd")], tiny_dataset, tmp_path, settings, selection, workers=2,
        progress=lambda done, total, **_: shares.append(done / total),
        notify=lambda name, _, cached: told.append((name, cached)),
    )  # fmt: skip
    assert [run.info["generator"]["name"] for run in runs] == ["cssl", "ugar", "nsd"]
    assert told[0] == ("cssl", True) and sorted(told[1:]) == [("nsd", False), ("ugar", False)]
    assert max(shares) == 1 and min(shares) >= 1 / 3
    key = [(name, "ascending") for name in ("sample_id", "setting", "control")]
    for run in runs:
        before, again = (one.table().sort_by(key) for one in (open_run(made / "runs" / run.folder.name), run))
        assert again.num_rows and again["outcome"].equals(before["outcome"])
        steps, steps_before = (one["iterations"].drop_null().to_numpy() for one in (again, before))
        assert len(steps) == len(steps_before) and np.abs(steps - steps_before).max() <= 1


def test_the_numbers_are_those_of_the_runs(made: Path) -> None:
    document = json.loads((made / "tables.json").read_text())
    for name in NAMES:
        rows = open_run(made / "runs" / name).rows(attack="appearance", setting="paper")
        taken = [outcome in ("fooled", "iterations used up", "zero gradient") for outcome in rows["outcome"]]
        (row,) = [row for row in document["table_1"] if (row["network"], row["setting"], row["subject"])
                  == (name, "paper", None)]  # fmt: skip
        assert row["attacked"] == sum(taken) and row["frames"] == 6
        if sum(taken):
            assert row["success"]["value"] == pytest.approx((rows["outcome"][taken] == "fooled").mean())
            assert row["beside"]["attack"]["error_mm"]["value"] == pytest.approx(
                rows["error_verified_mm"][taken].mean()
            )


def test_finished_runs_are_used_again_and_killed_ones_gone_on_with(
    made: Path, weights: dict[str, Path], tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "again"
    shutil.copytree(made, out)
    before = (out / "tables.json").read_text()
    kept = (out / "runs" / "nsd" / "run.json").stat().st_mtime_ns
    killed = out / "runs" / "cssl"
    info = json.loads((killed / "run.json").read_text())
    (killed / "run.json").write_text(json.dumps(info | {"status": "running"}))
    next((killed / "results").glob("part-*")).unlink()
    seeds = f"nsd={weights['nsd']},{weights['nsd-seed1']}"
    code, printed, _ = run(capsys, "tables", *(weights[name] for name in NAMES), "--data", tiny_dataset, "--out", out,
                           "--seeds", seeds, *QUICK)  # fmt: skip
    assert code == 0
    assert (out / "runs" / "nsd" / "run.json").stat().st_mtime_ns == kept
    assert printed.count("there already") == 4, "nsd, cssl-da, ugar and the seed"
    assert open_run(killed).complete
    after, earlier = json.loads((out / "tables.json").read_text()), json.loads(before)
    for name in ("table_1", "table_2", "averages"):
        assert after[name] == earlier[name], name


def test_tables_of_finished_runs_need_no_dataset(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [made / "runs" / name for name in ("nsd", "cssl")]
    code, printed, _ = run(capsys, "tables", *folders, "--out", tmp_path / "two", "--json")
    assert code == 0 and [one["name"] for one in json.loads(printed)["networks"]] == ["nsd", "cssl"]


def test_other_settings_into_the_same_folder_are_refused(
    made: Path, weights: dict[str, Path], tiny_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, said = run(capsys, "tables", weights["nsd"], "--data", tiny_dataset, "--out", made, *QUICK, "--seed", 1)
    assert code == 2 and "another settings seed (0, now 1)" in said.replace("\n", " ")


def test_compare_says_the_same_of_runs_and_of_weights(
    made: Path, weights: dict[str, Path], tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [made / "runs" / name for name in ("nsd", "cssl")]
    code, printed, _ = run(capsys, "compare", *runs, "--setting", "paper", "--json")
    of_runs = json.loads(printed)
    assert code == 0 and of_runs["pairs"] + of_runs["left_out"] == 6
    given = ("--setting", "paper", "--data", tiny_dataset, *QUICK, "--json")
    code, printed, _ = run(capsys, "compare", weights["nsd"], weights["cssl"], *given)
    of_weights = json.loads(printed)
    code, printed, _ = run(capsys, "compare", runs[0], weights["cssl"], "--setting", "paper", "--json")
    of_both = json.loads(printed)
    assert of_weights["success"] == of_runs["success"] == of_both["success"]
    final = of_runs["differences"]["error_final_mm"]["difference"]["value"]
    for document in (of_weights, of_both):
        assert document["differences"]["error_final_mm"]["difference"]["value"] == pytest.approx(final, rel=1e-3)


def test_compare_runs_controls_and_leaves_them_out_when_told_to(
    weights: dict[str, Path],
    tiny_dataset: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the usual number of frames they are there unasked; a quick look at few frames has none unless asked for."""
    monkeypatch.setattr(family, "SELECTION", Selection(groups=("everyday",), at_most=2))
    given = [weights["nsd"], weights["cssl"], "--setting", "paper", "--data", tiny_dataset, *QUICK[2:]]
    for more, there in (((), True), (("--no-controls",), False), (("--per-subject", 2), False),
                        (("--per-subject", 2, "--controls"), True)):  # fmt: skip
        out = tmp_path / " ".join(map(str, more))
        code, printed, said = run(capsys, "compare", *given, *more, "--out", out)
        assert code == 0, said
        controls = set(open_run(out / "runs" / "nsd").rows(attack="control")["control"].tolist())
        assert controls == ({"random direction", "same subject", "other subjects"} if there else set())
        assert ("beside their controls" in " ".join(printed.split())) == there
        assert ("No control is in both runs" in printed) != there


def test_compare_uses_what_tables_have_made(
    made: Path, weights: dict[str, Path], tiny_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = {path: path.stat().st_mtime_ns for path in made.glob("runs/*/run.json")}
    code, printed, _ = run(
        capsys, "compare", weights["nsd"], weights["cssl"], "--data", tiny_dataset, "--out", made, *QUICK
    )
    assert code == 0 and "B − A" in printed and "McNemar" in printed
    assert kept == {path: path.stat().st_mtime_ns for path in made.glob("runs/*/run.json")}


def test_the_default_is_every_shipped_network_that_can_repaint() -> None:
    found = default_networks()
    assert found[0] == "nsd" and set(found) <= set(shipped_weights())
    assert not {"judge", "supervised"} & set(found)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["tables", "{nsd}"], "needs a dataset; give its folder with --data"),
        (["tables", "{nsd}", "{nsd}", "--data", "{data}"], "called 'nsd'"),
        (["tables", "{eye}", "--data", "{data}"], "has no decoder"),
        (["tables", "nowhere", "--data", "{data}"], "no weights at nowhere"),
        (["tables", "{nsd}", "--data", "{data}", "--seeds", "nsd={nsd}"], "at least two different files"),
        (["tables", "{nsd}", "--data", "{data}", "--seeds", "{nsd}"], "at least two different files"),
        (["tables", "{nsd}", "--data", "{data}", "--group", "sporty"], "sporty"),
        (["tables", "{nsd}", "--data", "{data}", "--setting", "colours-0.1"], "tables are of paper, free or natural"),
        (["tables", "{nsd}", "--data", "{data}", "--per-subject", "900"], "Too few frames"),
        (["tables", "{nsd}", "--data", "nowhere"], "no dataset folder"),
        (["compare", "{nsd}", "{cssl}"], "needs a dataset; give its folder with --data"),
        (["compare", "{made}/runs/nsd", "{cssl}", "--setting", "free"], "has no setting 'free'"),
        (["compare", "{made}/runs/nsd", "{made}/runs/cssl", "--setting", "free"], "has no setting 'free'"),
        (["compare", "{made}/runs/nsd", "nowhere"], "no weights at nowhere"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(
    arguments: list[str],
    words: str,
    made: Path,
    weights: dict[str, Path],
    tiny_dataset: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    known: dict[str, Any] = {**weights, "data": tiny_dataset, "made": made}
    given = [argument.format(**known) for argument in arguments]
    code, printed, said = run(capsys, *given, "--out", tmp_path / "out")
    assert (code, printed) == (2, "") and words in said and said.count("\n") == 1
    assert not list(tmp_path.glob("out/runs/*"))
