"""A run's pictures, shown to another target than the one that they were made for."""

from pathlib import Path

import numpy as np
import pytest

from fixtures.toys import GAIN_MM, LayeredDataset, ToyNetwork, ToyStatistics
from turncoat.engine import AttackSettings, attack_dataset
from turncoat.engine.runs import COLUMNS, Run
from turncoat.engine.sweep import Selection
from turncoat.engine.targets import transfer
from turncoat.kernels.errors import DataError
from turncoat.training.data import Dataset

SETTINGS = AttackSettings(
    attacks=("natural", "colours-0.1"), iterations=5, colour_iterations=3, draws=2, threshold_mm=60,
    step_size={"natural": 0.1}, judge=None,
)  # fmt: skip


@pytest.fixture(scope="module")
def layered(tiny_dataset: Path) -> Dataset:
    return LayeredDataset(tiny_dataset)


@pytest.fixture(scope="module")
def run(layered: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    toy = ToyNetwork(statistics=ToyStatistics())
    few = Selection(groups=("everyday",), per_subject=2)
    return attack_dataset(toy, layered, SETTINGS, tmp_path_factory.mktemp("runs") / "run", selection=few)


def column(rows, name):
    return np.array([row[name] for row in rows], dtype=np.float64)


def test_shown_to_the_attacked_network_itself_nothing_changes(run: Run, layered: Dataset) -> None:
    indices = run.select(attack=["appearance", "colours"])
    rows = transfer(run, layered, ToyNetwork(), ToyNetwork(), indices, name="again", batch=3)
    before = run.table().take(indices).to_pylist()
    assert [row["sample_id"] for row in rows] == [row["sample_id"] for row in before]
    for name in ("error_verified_mm", "error_pa_mm", "error_gt_attacked_mm", "psnr_db"):
        np.testing.assert_allclose(column(rows, name), column(before, name), atol=0.05)
    # The synthesis that it starts from is on 8 bits here, as a picture that is passed on is.
    np.testing.assert_allclose(column(rows, "error_initial_mm"), column(before, "error_initial_mm"), atol=GAIN_MM / 500)
    assert {row["target"] for row in rows} == {"again"} and {row["backend"] for row in rows} == {"transfer"}
    assert all(set(row) <= set(COLUMNS.names) for row in rows)
    assert [row["iterations"] for row in rows] == [row["iterations"] for row in before]


def test_a_target_that_reacts_twice_as_much_errs_twice_as_much(run: Run, layered: Dataset) -> None:
    indices = run.select(attack="appearance")
    rows = transfer(run, layered, ToyNetwork(), ToyNetwork(2 * GAIN_MM), indices)
    before = run.table().take(indices).to_pylist()
    np.testing.assert_allclose(column(rows, "error_verified_mm"), 2 * column(before, "error_verified_mm"), rtol=1e-3)
    fooled = column(rows, "error_verified_mm") > 60
    assert [row["outcome"] == "fooled" for row in rows] == fooled.tolist() and fooled.any()


def test_all_rows_with_a_picture_are_shown_unless_some_are_named(run: Run, layered: Dataset) -> None:
    rows = transfer(run, layered, ToyNetwork(), ToyNetwork())
    assert len(rows) == len(run.table()) - len(run.select(control="grey noise"))
    with pytest.raises(DataError, match="there is no picture to show to 'nobody'"):
        transfer(run, layered, ToyNetwork(), ToyNetwork(), [], name="nobody")
