"""A sweep: the same table however it was computed, interrupted, batched. What is refused: test_refused_sweeps.py."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fixtures.toys import LayeredDataset, ToyNetwork, ToyStatistics
from turncoat.engine import AttackSettings, attack_dataset, open_run
from turncoat.engine.attack import resynthesise
from turncoat.engine.runs import COLUMNS, Run
from turncoat.engine.runs import RunWriter as Writer
from turncoat.engine.sweep import Selection, plan
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.data import Dataset, open_dataset

FEW = Selection(groups=("everyday",), per_subject=3)
QUICK = AttackSettings(
    attacks=("paper", "natural", "colours-0.1"),
    iterations=30,
    colour_iterations=8,
    draws=4,
    threshold_mm=60,
    step_size={"paper": 1.0, "natural": 0.1},
)


def toy() -> ToyNetwork:
    return ToyNetwork(statistics=ToyStatistics())


@pytest.fixture(scope="module")
def layered(tiny_dataset: Path) -> Dataset:
    return LayeredDataset(tiny_dataset)


@pytest.fixture(scope="module")
def run(layered: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return attack_dataset(toy(), layered, QUICK, tmp_path_factory.mktemp("runs") / "run", selection=FEW)


def records(run: Run) -> list[dict[str, Any]]:
    rows = run.table().to_pylist()
    return sorted(rows, key=lambda row: (row["setting"], row["control"] or "", row["sample_id"]))


def assert_same_rows(a: Run, b: Run, tolerance: float = 1e-3) -> None:
    first, second = records(a), records(b)
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        for name in COLUMNS.names:
            if name == "iterations":
                assert abs(one[name] - other[name]) <= 1
            elif isinstance(one[name], float):
                assert one[name] == pytest.approx(other[name], rel=tolerance, abs=tolerance), name
            elif not isinstance(one[name], list):
                assert one[name] == other[name], name


def test_every_sample_has_a_row_for_every_attack_and_control(run: Run) -> None:
    assert run.complete
    rows = run.table().to_pylist()
    samples = {row["sample_id"] for row in rows}
    assert len(samples) == 6  # two training subjects, three frames each
    expected = {
        ("appearance", "paper", None),
        ("appearance", "natural", None),
        ("colours", "colours-0.1", None),
        ("control", "paper", "random direction"),
        ("control", "natural", "random direction"),
        ("control", "codes", "same subject"),
        ("control", "codes", "other subjects"),
        ("control", "colours-0.1", "random colours"),
        ("control", "colours-0.1", "random colours, strongest"),
        ("control", "colours-0.1", "random corners"),
        ("control", "colours", "other wardrobes"),
        ("control", "colours", "grey noise"),
    }
    found = Counter((row["attack"], row["setting"], row["control"]) for row in rows)
    assert set(found) == expected
    assert set(found.values()) == {6}


def test_every_number_of_an_attacked_row_is_there(run: Run) -> None:
    appearance_only = {
        "appearance",
        "appearance_mahalanobis",
        "appearance_mahalanobis_start",
        "appearance_shift_l2",
        "appearance_shift",
        "psnr_crop_db",
        "ssim_crop",
        "mse_mean_crop",
        "generator",
    }
    colour_only = {"colours", "colour_shift_max", "colour_shift_l2"}
    attack_only = {"start", "checks", "confirmed_first", "error_curve_mm"}
    control_only = {"control", "draws", "draws_mean_mm", "draws_past"}
    without_judge = {"judge_error_initial_mm", "judge_error_mm"}  # tests/engine/sweep/test_judge.py has one
    # of variants and of targets without gradients: test_variants_sweep.py, tests/engine/targets
    without_judge |= {
        "error_goal_mm",
        "error_goal_initial_mm",
        "error_goal_curve_mm",
        "appearance_shift_low",
        "queries",
    }
    for row in run.table().to_pylist():
        missing = {name for name, value in row.items() if value is None} - {"budget", "confirmed_first"}
        assert without_judge <= missing
        missing -= without_judge
        colours = row["attack"] == "colours" or row["setting"].startswith("colours")
        expected = set(appearance_only if colours else colour_only)
        expected |= attack_only if row["attack"] == "control" else control_only
        if row["control"] == "grey noise":
            expected |= colour_only
        if row["setting"] == "codes":
            expected.add("appearance_shift")
        assert missing == expected - {"confirmed_first"}, (row["attack"], row["control"])


@pytest.mark.parametrize("optimiser", ["adam", "random"])
def test_restarts_come_out_the_same_however_they_are_batched_and_resumed(
    optimiser: str, layered: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "PART", 2)
    settings = QUICK.model_copy(
        update={
            "attacks": ("natural",),
            "restarts": 4,
            "optimiser": {"natural": optimiser},
            "iterations": 8,
            "threshold_mm": 5000.0,
            "batch": 1,
        }
    )
    whole = attack_dataset(toy(), layered, settings, tmp_path / "whole", selection=FEW)
    ascents = whole.rows(attack="appearance")
    assert ascents["restart"].max() > 0, "some sample keeps a later start"
    assert set(whole.rows(attack="control")["restart"].tolist()) == {0}
    other = settings.model_copy(update={"batch": 64})
    killed = attack_dataset(toy(), layered, other, tmp_path / "killed", selection=FEW)
    (tmp_path / "killed" / "results" / "part-00001.parquet").unlink()
    resumed = attack_dataset(toy(), layered, other, tmp_path / "killed", selection=FEW, resume=True)
    assert len(killed.table()) == len(whole.table())
    assert_same_rows(resumed, whole)


def test_budgets_are_kept_and_the_attack_beats_its_random_control(run: Run) -> None:
    colours = run.rows(attack="colours")
    assert colours["colour_shift_max"].max() <= 0.1 + 1e-6
    natural = run.rows(attack="appearance", setting="natural")
    assert natural["appearance_mahalanobis"].max() <= natural["budget"][0] + 1e-3
    random = run.rows(control="random direction", setting="natural")
    assert random["appearance_mahalanobis"].max() <= natural["budget"][0] + 1e-3
    assert natural["error_best_mm"].mean() > 2 * random["error_final_mm"].mean()
    assert run.rows(control="grey noise")["error_final_mm"].max() < 5
    drawn = run.rows(control="random colours, strongest")
    assert (drawn["error_final_mm"] >= drawn["draws_mean_mm"] - 1e-3).all()
    assert (drawn["draws"] == 4).all()


@pytest.mark.parametrize("setting", ["paper", "natural"])
def test_the_random_direction_goes_as_far_as_the_attack_did(setting: str, run: Run) -> None:
    attack, control = (
        run.rows(attack="appearance", setting=setting),
        run.rows(control="random direction", setting=setting),
    )
    np.testing.assert_array_equal(attack["sample_id"], control["sample_id"])
    np.testing.assert_allclose(control["appearance_shift"], attack["appearance_shift"], rtol=1e-3, atol=1e-4)


def test_controls_are_of_the_right_people(run: Run, layered: Dataset) -> None:
    """The toy's code is the colour of the person; so a code tells whose it is."""
    codes = {}
    for subject in ("S1", "S2"):
        frames = torch.from_numpy(layered.read(layered.select(subject=subject))).float() / 255
        codes[subject] = toy().encode(frames).appearance
    for control, same in (("same subject", True), ("other subjects", False)):
        rows = run.rows(control=control)
        for subject, code, own in zip(rows["subject"], rows["appearance"], rows["sample_id"], strict=True):
            donor = subject if same else {"S1": "S2", "S2": "S1"}[subject]
            nearest = (codes[donor] - torch.from_numpy(code)).norm(dim=1).min()
            assert nearest < 1e-3, (control, own)


def test_a_fooled_row_is_verified_past_the_threshold(run: Run) -> None:
    fooled = run.rows(outcome="fooled")
    assert len(fooled["outcome"]) > 6
    assert fooled["error_verified_mm"].min() > QUICK.threshold_mm
    below = run.rows(outcome=["below the threshold", "iterations used up"])
    assert below["error_verified_mm"].max() <= QUICK.threshold_mm


def test_run_json_says_what_the_run_was(run: Run, layered: Dataset) -> None:
    info = json.loads((run.folder / "run.json").read_text())
    assert info["status"] == "complete" and info["format"] == 1
    assert info["dataset"]["fingerprint"] == layered.info["fingerprint"]
    assert info["generator"]["weights_hash"] == toy().weights_hash
    assert info["settings"]["threshold_mm"] == 60
    assert info["selection"]["subjects"] == ["S1", "S2"] and info["selection"]["frames"] == 6
    paper = info["attacks"]["paper"]
    assert paper["step_size"] == 1.0 and paper["step_size_from"] == "given"
    assert sum(paper["outcomes"].values()) == paper["rows"] == 6
    assert paper["frames_per_s"] > 0 and paper["controls"] == ["random direction"]
    assert info["garments"].count(True) == 5


@pytest.mark.parametrize("batch", [1, 4])
def test_the_batch_size_does_not_change_the_table(batch: int, run: Run, layered: Dataset, tmp_path: Path) -> None:
    settings = QUICK.model_copy(update={"batch": batch})
    assert_same_rows(run, attack_dataset(toy(), layered, settings, tmp_path / "run", selection=FEW))


def test_a_killed_sweep_resumes_to_the_same_table(
    layered: Dataset, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "PART", 2)
    whole = attack_dataset(toy(), layered, QUICK, tmp_path / "whole", selection=FEW)
    settings, out = QUICK.model_copy(update={"batch": 2}), tmp_path / "killed"
    written = Writer.write
    parts: list[int] = []

    def killed(self: Writer, part: int, rows: Any) -> None:
        if len(parts) == 2:
            raise KeyboardInterrupt
        parts.append(part)
        written(self, part, rows)

    monkeypatch.setattr(Writer, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        attack_dataset(toy(), layered, settings, out, selection=FEW)
    assert not open_run(out).complete and len(open_run(out).table()) > 0
    monkeypatch.setattr(Writer, "write", written)
    times = {path.name: path.stat().st_mtime_ns for path in (out / "results").iterdir()}
    resumed = attack_dataset(toy(), layered, settings, out, selection=FEW, resume=True)
    assert resumed.complete
    for name, time in times.items():
        assert (out / "results" / name).stat().st_mtime_ns == time, "finished parts are not computed again"
    assert resumed.table().num_rows == whole.table().num_rows
    assert resumed.table()["sample_id"].to_pylist() == whole.table()["sample_id"].to_pylist()
    assert_same_rows(resumed, whole)
    assert_same_rows(run, whole)


def test_resuming_a_finished_run_changes_nothing(layered: Dataset, tmp_path: Path) -> None:
    settings = AttackSettings(attacks=("paper",), iterations=3, step_size=1.0, controls=False)
    first = attack_dataset(toy(), layered, settings, tmp_path / "run", selection=FEW)
    again = attack_dataset(toy(), layered, settings, tmp_path / "run", selection=FEW, resume=True)
    assert again.complete and again.table().equals(first.table())


def test_another_run_is_not_resumed_into_the_folder(layered: Dataset, run: Run) -> None:
    before = (run.folder / "run.json").read_bytes()
    with pytest.raises(ConfigError, match="another settings threshold_mm"):
        other = QUICK.model_copy(update={"threshold_mm": 100.0})
        attack_dataset(toy(), layered, other, run.folder, selection=FEW, resume=True)
    with pytest.raises(ConfigError, match="another generator weights_hash"):
        attack_dataset(ToyNetwork(1.0, ToyStatistics()), layered, QUICK, run.folder, selection=FEW, resume=True)
    assert (run.folder / "run.json").read_bytes() == before


def test_pictures_are_painted_again_to_one_grey_level(run: Run, layered: Dataset) -> None:
    indices = np.concatenate(
        [
            run.select(attack="appearance", setting="paper")[:3],
            run.select(attack="colours")[:2],
            run.select(control="grey noise")[:1],
            run.select(control="other subjects")[:2],
        ]
    )
    pictures = resynthesise(run, layered, toy(), indices)
    rows = run.table().take(indices).to_pylist()
    network = toy()
    for n, row in enumerate(rows):
        pose = network.predict(torch.from_numpy(pictures.attacked[n][None]).float() / 255)
        np.testing.assert_allclose(pose.flatten().numpy(), row["pose_attacked"], atol=1e-2)
        difference = pictures.attacked[n].astype(float) - pictures.synthesis[n]
        assert np.mean((difference / 255) ** 2) == pytest.approx(row["mse_mean"], abs=1e-6)
    np.testing.assert_array_equal(pictures.clean, layered.read(layered.rows([row["sample_id"] for row in rows])))


def test_the_step_size_is_chosen_on_validation_frames_and_recorded(layered: Dataset, tmp_path: Path) -> None:
    settings = AttackSettings(attacks=("paper",), iterations=12, step_size_frames=4, threshold_mm=60, controls=False)
    run = attack_dataset(toy(), layered, settings, tmp_path / "run", selection=FEW)
    paper = run.info["attacks"]["paper"]
    assert paper["step_size_from"] == "validation"
    successes = {rung["step_size"]: rung["success"] for rung in paper["ladder"]}
    assert list(successes) == [0.1, 0.3, 1.0, 3.0]
    # 60 mm are 3.2 units of channel 0, of which the synthesis makes 0.5; 12 steps of 0.1 are 1.2 units, of 0.3 are 3.6.
    assert list(successes.values()) == [0, 1, 1, 1]
    assert paper["step_size"] == 0.3, "the smallest of those that succeed alike"


def test_a_step_size_recorded_with_the_weights_is_used(layered: Dataset, tmp_path: Path) -> None:
    network = toy()
    network.metadata = {"name": "toy", "attack_step_size": {"paper": 0.7}}
    settings = AttackSettings(attacks=("paper",), iterations=2, controls=False)
    run = attack_dataset(network, layered, settings, tmp_path / "run", selection=FEW)
    assert run.info["attacks"]["paper"]["step_size"] == 0.7
    assert run.info["attacks"]["paper"]["step_size_from"] == "weights"


def test_a_damaged_picture_gets_a_row_that_says_so(tmp_path: Path) -> None:
    from fixtures.tiny import write_tiny_dataset

    folder = write_tiny_dataset(tmp_path / "data", instants=4)
    data = open_dataset(folder)
    settings = AttackSettings(attacks=("paper", "natural"), iterations=3, step_size=1.0, draws=2)
    victim = int(FEW.rows(data, settings.seed)[1])
    shard, offset = data.column("shard")[victim], int(data.column("offset")[victim])
    with open(folder / data.info["shards"][shard]["file"], "r+b") as file:
        file.seek(offset + 5)
        byte = file.read(1)[0]
        file.seek(offset + 5)
        file.write(bytes([byte ^ 255]))
    run = attack_dataset(toy(), open_dataset(folder), settings, tmp_path / "run", selection=FEW)
    bad = run.rows(outcome="unreadable input")
    assert bad["sample_id"].tolist() == [data.column("sample_id")[victim]] * 2
    assert np.isnan(bad["error_final_mm"]).all() and bad["attack"].tolist() == ["appearance", "appearance"]
    assert run.info["failed"] == 1, "one sample, though two attacks missed it"
    assert len(run.rows(attack="appearance", setting="paper")["outcome"]) == 6


def test_opening_what_is_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a run"):
        open_run(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        open_run(tmp_path)
    (tmp_path / "run.json").write_text('{"format": 99}')
    with pytest.raises(DataError, match="format 99"):
        open_run(tmp_path)


def test_a_damaged_part_is_named(run: Run, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run.folder, copy)
    part = sorted((copy / "results").iterdir())[0]
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(DataError, match=part.name):
        open_run(copy).table()
