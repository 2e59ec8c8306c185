"""Variants of the attack in one run: rows and columns of each, resumed as undisturbed, summarised and reported."""

from pathlib import Path

import numpy as np
import pytest

from fixtures.page import Page
from fixtures.toys import LayeredDataset, ToyNetwork, ToyStatistics, error_of_red
from turncoat.engine import AttackSettings, attack_dataset
from turncoat.engine.analysis.summary import summaries
from turncoat.engine.report import write_report
from turncoat.engine.runs import Run
from turncoat.engine.sweep import Selection
from turncoat.kernels.errors import ConfigError
from turncoat.training.data import Dataset

FEW = Selection(groups=("everyday",), per_subject=2)
ATTACKS = ("natural", "smallest", "towards", "towards-paper", "pixels-8")
SIZES = {"paper": 1.0, "natural": 0.1}


def toy() -> ToyNetwork:
    return ToyNetwork(statistics=ToyStatistics())


@pytest.fixture(scope="module")
def layered(tiny_dataset: Path) -> Dataset:
    return LayeredDataset(tiny_dataset)


@pytest.fixture(scope="module")
def settings(layered: Dataset) -> AttackSettings:
    return AttackSettings(
        attacks=ATTACKS,
        towards=str(layered.column("sample_id")[40]),
        reach_mm=10,
        iterations=30,
        budget_iterations=10,
        smallest_rounds=3,
        draws=3,
        threshold_mm=60,
        step_size=SIZES,
    )


@pytest.fixture(scope="module")
def run(layered: Dataset, settings: AttackSettings, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return attack_dataset(toy(), layered, settings, tmp_path_factory.mktemp("runs") / "run", selection=FEW)


def test_every_variant_has_its_rows_columns_and_control(run: Run) -> None:
    for name in ATTACKS:
        family = "pixels" if name.startswith("pixels") else "appearance"
        rows = run.rows(attack=family, setting=name)
        assert len(rows["outcome"]) == 4, name
        aimed = name.startswith("towards")
        for column in ("error_goal_mm", "error_goal_initial_mm"):
            assert np.isfinite(rows[column].astype(float)).all() == aimed, (name, column)
        assert all((curve is None) == aimed for curve in rows["error_curve_mm"])
        assert np.isfinite(rows["appearance_shift_low"].astype(float)).all() == (name == "smallest")
        control = "random signs" if family == "pixels" else "random direction"
        assert len(run.rows(attack="control", setting=name, control=control)["outcome"]) == 4
        facts = run.info["attacks"][name]
        assert facts["attack"] == family and facts["rows"] == 4 and facts["controls"] == [control]
    pixels = run.rows(attack="pixels", setting="pixels-8")
    assert set(pixels["generator"].tolist()) == {None} and set(pixels["target"].tolist()) == {"toy"}
    assert (pixels["error_verified_mm"] < error_of_red(8 / 255) + 0.1).all()
    assert run.info["goal"]["said"] == run.info["settings"]["towards"]


def test_the_smallest_change_that_fools_is_smaller_than_that_of_the_ascent(run: Run) -> None:
    nearest, plain = (run.rows(attack="appearance", setting=name) for name in ("smallest", "natural"))
    order = {sample: n for n, sample in enumerate(plain["sample_id"].tolist())}
    theirs = plain["appearance_shift"][[order[sample] for sample in nearest["sample_id"].tolist()]]
    assert (nearest["appearance_shift"] < theirs).all()
    found = {(one.setting, one.control): one for one in summaries(run)}
    assert found["smallest", None].smallest == pytest.approx(np.median(nearest["appearance_shift"]))
    assert found["towards", None].error_goal_mm is not None and found["natural", None].error_goal_mm is None


def test_a_run_that_lost_a_part_ends_as_the_undisturbed_one(
    run: Run, layered: Dataset, settings: AttackSettings, tmp_path: Path
) -> None:
    again = attack_dataset(toy(), layered, settings, tmp_path / "run", selection=FEW)
    parts = sorted((again.folder / "results").glob("part-*.parquet"))
    assert len(parts) == 2, "codes, and pixels"
    for part in parts:
        part.unlink()
        resumed = attack_dataset(toy(), layered, settings, tmp_path / "run", selection=FEW, resume=True)
        for name in ("sample_id", "setting", "control", "outcome"):
            assert resumed.table()[name].to_pylist() == run.table()[name].to_pylist()
        np.testing.assert_allclose(resumed.rows()["error_verified_mm"], run.rows()["error_verified_mm"], rtol=1e-3)
    with pytest.raises(ConfigError, match="towards"):
        elsewhere = settings.model_copy(update={"towards": "mirror"})
        attack_dataset(toy(), layered, elsewhere, tmp_path / "run", selection=FEW, resume=True)


def test_the_report_shows_them_with_their_own_words(run: Run, layered: Dataset) -> None:
    html = write_report(run, data=layered, weights=toy()).read_text(encoding="utf-8")
    Page(html)  # parses
    for words in ("Towards a pose", "within 10 mm", "Every pixel, for context", "pixels ±8", "strongest random signs",
                  "found by bisection"):  # fmt: skip
        assert words in html, words
    assert "reached their goal" in html or "reached its goal" in html
    assert html.count("data:image/jpeg") > 0, "codes are painted again although pixels are not"


def test_a_floor_holds_in_the_rows_of_a_run(layered: Dataset, tmp_path: Path) -> None:
    settings = AttackSettings(
        attacks=("paper", "natural"), iterations=8, psnr_floor=38.0, threshold_mm=500, step_size=SIZES, controls=False
    )
    run = attack_dataset(toy(), layered, settings, tmp_path / "run", selection=FEW)
    psnr = run.rows(attack="appearance")["psnr_db"]
    assert len(psnr) == 8 and (psnr >= 38 - 0.05).all() and (psnr < 41).any()
