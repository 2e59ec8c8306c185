"""`turncoat attack --target target.toml`: sweeps over foreign targets, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from fixtures.foreign import COUNT, write_module, write_onnx, write_target
from fixtures.lively import lively
from fixtures.toys import LayeredDataset, ToyNetwork, ToyStatistics
from turncoat.engine import AttackSettings, attack_dataset
from turncoat.engine.analysis.attacked import AttackedSettings, measure_attacks
from turncoat.engine.cli import main
from turncoat.engine.report import write_report
from turncoat.engine.runs import Run
from turncoat.engine.sweep import Selection
from turncoat.engine.targets import load_target
from turncoat.kernels.errors import ConfigError
from turncoat.kernels.pose_error import mpjpe
from turncoat.training.checkpoint import save_network
from turncoat.training.data import Dataset, open_dataset

FEW = Selection(groups=("everyday",), per_subject=2)
SETTINGS = AttackSettings(
    attacks=("natural", "colours-0.1"), iterations=4, colour_iterations=3, draws=2, threshold_mm=1e5,
    step_size={"natural": 0.05}, optimiser={"natural": "adam"}, judge=None,
)  # fmt: skip
METRES = {"output": {"unit": "m"}}
PAIRS = 5


@pytest.fixture(scope="module")
def layered(tiny_dataset: Path) -> Dataset:
    return LayeredDataset(tiny_dataset)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two descriptions of one and the same target: a callable with gradients and a file without."""
    folder = tmp_path_factory.mktemp("targets")
    module = write_module(folder, "foreign_toy_of_sweeps")
    write_target(folder, f"{module}:joints", "white.toml", **METRES)
    write_target(folder, "toy.onnx", "black.toml", **METRES, queries={"pairs": PAIRS, "radius": 0.05})
    write_target(folder, f"{module}:joints", "boxed.toml", **METRES, input={"crop": "box"})
    write_onnx(folder / "toy.onnx")
    return folder


def attacked(layered: Dataset, target: Path, out: Path, **changes: object) -> Run:
    toy = ToyNetwork(statistics=ToyStatistics())
    return attack_dataset(toy, layered, SETTINGS.model_copy(update=changes), out, target=str(target), selection=FEW)


@pytest.fixture(scope="module")
def white(layered: Dataset, folder: Path) -> Run:
    return attacked(layered, folder / "white.toml", folder / "white")


@pytest.fixture(scope="module")
def black(layered: Dataset, folder: Path) -> Run:
    pytest.importorskip("onnxruntime")
    return attacked(layered, folder / "black.toml", folder / "black")


def test_with_gradients_it_climbs_and_says_what_it_is(white: Run) -> None:
    rows = white.rows(attack=["appearance", "colours"])
    assert set(rows["target"]) == {"white"} and set(rows["backend"]) == {"torch-float32"}
    assert (rows["error_best_mm"] > rows["error_initial_mm"] + 1).all()
    assert np.isnan(rows["queries"].astype(np.float64)).all()
    foreign = white.info["target"]["metadata"]["foreign"]
    assert foreign["output"]["count"] == COUNT and white.info["target"]["path"].endswith("white.toml")


def test_poses_lie_at_their_places_among_the_17(white: Run) -> None:
    clean, attacked = (
        np.stack([np.reshape(pose, (17, 3)) for pose in white.rows(attack="appearance")[name]]).astype(np.float64)
        for name in ("pose_clean", "pose_attacked")
    )
    there = [0, 1, 2, 4, 8]
    assert np.isfinite(clean[:, there]).all() and np.isnan(np.delete(clean, there, axis=1)).all()
    error = white.rows(attack="appearance")["error_verified_mm"].astype(np.float64)
    np.testing.assert_allclose(mpjpe(attacked[:, there], clean[:, there]), error, rtol=1e-4)


def test_truth_is_compared_over_the_joints_that_both_have(white: Run, layered: Dataset) -> None:
    rows = white.rows(attack="appearance")
    truth = layered.pose(layered.rows(rows["sample_id"].tolist()))[:, [0, 1, 2, 4, 8]].astype(np.float64)
    clean = np.stack([np.reshape(pose, (17, 3)) for pose in rows["pose_clean"]])[:, [0, 1, 2, 4, 8]]
    np.testing.assert_allclose(
        rows["error_gt_clean_mm"].astype(np.float64), mpjpe(clean.astype(np.float64), truth), rtol=1e-4
    )
    assert np.isfinite(rows["bone_ratio_p5"].astype(np.float64)).all(), "pelvis to hips and hip to knee are bones"


def test_a_target_without_any_bone_has_no_ratios(layered: Dataset, folder: Path, tmp_path: Path) -> None:
    joints = {"pelvis": 0, "head": 1, "left_wrist": 2}
    path = write_target(folder, "foreign_toy_of_sweeps:joints", "apart.toml", output={"joints": joints, "unit": "m"})
    rows = attacked(layered, path, tmp_path / "run", attacks=("natural",), controls=False).rows(attack="appearance")
    assert np.isnan(rows["bone_ratio_p5"].astype(np.float64)).all() and (rows["error_pa_mm"] >= 0).all()


def test_by_queries_it_climbs_too_and_counts_them(black: Run) -> None:
    rows = black.rows(attack="appearance")
    assert set(rows["backend"]) == {"queries-nes"}
    assert (rows["error_best_mm"] > rows["error_initial_mm"] + 1).mean() > 0.8
    assert rows["queries"].tolist() == [(steps + 1) * (2 * PAIRS + 1) for steps in rows["iterations"].tolist()]
    dyed = black.rows(attack="colours")
    assert dyed["queries"].tolist() == [2 * (3 + 1) * (2 * PAIRS + 1)] * len(dyed["queries"])
    assert (dyed["error_best_mm"] > dyed["error_initial_mm"]).all()


def test_a_file_and_a_callable_of_the_same_network_start_alike(white: Run, black: Run) -> None:
    for name in ("error_initial_mm", "error_gt_clean_mm"):
        first, second = (run.rows(attack="appearance")[name].astype(np.float64) for run in (white, black))
        np.testing.assert_allclose(first, second, rtol=1e-3)


def test_queries_are_the_same_for_any_batch(black: Run, layered: Dataset, folder: Path, tmp_path: Path) -> None:
    again = attacked(layered, folder / "black.toml", tmp_path / "run", batch=3, controls=False)
    for name in ("error_verified_mm", "appearance_shift"):
        first, second = (run.rows(attack="appearance")[name].astype(np.float64) for run in (black, again))
        np.testing.assert_allclose(first, second, rtol=5e-3)


def test_a_random_search_counts_its_queries(layered: Dataset, folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    found = attacked(layered, folder / "black.toml", tmp_path / "run", attacks=("natural",), controls=False,
                     optimiser={"natural": "random"})  # fmt: skip
    assert found.rows(attack="appearance")["queries"].tolist() == [5] * len(found.rows(attack="appearance")["queries"])


def test_a_target_that_looks_at_boxes_is_told_where_the_person_is(layered: Dataset, folder: Path) -> None:
    run = attacked(layered, folder / "boxed.toml", folder / "boxed", attacks=("natural",), controls=False)
    rows = run.rows(attack="appearance")
    assert rows["given"].all() and run.info["target"]["given"] and not run.info["generator"]["given"]


def test_a_foreign_target_may_be_the_judge(layered: Dataset, folder: Path, tmp_path: Path) -> None:
    toy, judge = ToyNetwork(statistics=ToyStatistics()), str(folder / "boxed.toml")
    settings = SETTINGS.model_copy(update={"judge": judge, "attacks": ("natural",), "controls": False})
    run = attack_dataset(toy, layered, settings, tmp_path / "run", selection=FEW)
    rows = run.rows(attack="appearance")
    assert (rows["judge_error_mm"] > 1).all() and run.info["judge"]["name"] == "boxed"


def test_a_run_on_a_foreign_target_has_a_report(white: Run, layered: Dataset) -> None:
    page = write_report(white.folder, data=layered, weights=ToyNetwork())
    assert "NaN" not in Path(page).read_text() and "nan," not in Path(page).read_text()


@pytest.mark.parametrize("kind", ["white", "black"])
def test_colours_alone_need_no_other_network(layered: Dataset, folder: Path, tmp_path: Path, kind: str) -> None:
    if kind == "black":
        pytest.importorskip("onnxruntime")
    target = load_target(folder / f"{kind}.toml")
    chosen = AttackedSettings(colours=0.1, per_subject=2, steps=3, device="cpu")
    found = measure_attacks(target, layered, tmp_path / "run", chosen)
    assert found.network == target.name and found.codes is None and found.initial_mm is None
    known = {one.key: one for one in found.numbers()}
    assert set(known) == {"colours_mm", "colours_fooled"}
    assert known["colours_mm"].null is not None and known["colours_mm"].found.value > known["colours_mm"].null.value


def test_a_foreign_target_cannot_repaint(layered: Dataset, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a foreign target, which cannot repaint"):
        attack_dataset(str(folder / "white.toml"), layered, SETTINGS, tmp_path / "run", selection=FEW)


@pytest.fixture(scope="module")
def weights(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "lively.safetensors"
    save_network(path, lively("person", open_dataset(tiny_dataset)))
    return path


def test_the_command_attacks_it(weights: Path, tiny_dataset: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["attack", str(tiny_dataset), "--out", str(tmp_path / "run"), "--network", str(weights), "--target",
              str(folder / "white.toml"), "--attack", "natural", "--iterations", "2", "--per-subject", "1",
              "--group", "everyday", "--step-size", "1", "--judge", "none", "--json"])  # fmt: skip
    assert stop.value.code == 0
    assert (tmp_path / "run" / "run.json").is_file()


def test_the_command_says_in_a_sentence_what_is_wrong(
    weights: Path, tiny_dataset: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {
        "is not differentiable": write_target(tmp_path, "foreign_toy_of_sweeps:detached", "detached.toml"),
        "cannot be imported": write_target(tmp_path, "no_such_module_here:predict", "unimported.toml"),
        "expected 8 joints": write_target(tmp_path, "foreign_toy_of_sweeps:joints", "many.toml", output={"count": 8}),
        "'modell' is unknown": write_target(tmp_path, "foreign_toy_of_sweeps:joints", "key.toml", modell=3),
        "cannot be read": tmp_path / "missing.toml",
    }
    for said, path in wrong.items():
        with pytest.raises(SystemExit) as stop:
            main(
                [
                    "attack",
                    str(tiny_dataset),
                    "--out",
                    str(tmp_path / "run"),
                    "--network",
                    str(weights),
                    "--target",
                    str(path),
                ]
            )
        out, err = capsys.readouterr()
        assert stop.value.code == 2 and out == "" and len(err.splitlines()) == 1 and said in err, err
    assert not (tmp_path / "run").exists()
