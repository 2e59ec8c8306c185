"""The judge: a network that nobody attacks is asked whether it still sees the old pose."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fixtures.lively import lively
from fixtures.toys import LayeredDataset, ToyNetwork, ToyStatistics
from turncoat.engine import AttackSettings, attack_dataset
from turncoat.engine.runs import Run
from turncoat.engine.sweep import Selection, networks
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.checkpoint import save_network
from turncoat.training.data import Dataset
from turncoat.training.networks import Disentangled, preset

FEW = Selection(groups=("everyday",), per_subject=2)
SETTINGS = AttackSettings(
    attacks=("paper", "colours-0.1"),
    iterations=12,
    colour_iterations=4,
    draws=2,
    threshold_mm=60,
    step_size={"paper": 1.0},
)
SMALL = preset("studio", frame_size=32, crop_size=16, regressor_hidden=32, paints="nothing")


class Blind:
    """Sees the same pose whatever is in front of it."""

    def predict(self, frames: Tensor) -> Tensor:
        return torch.arange(51.0).view(1, 17, 3).expand(len(frames), 17, 3)


@pytest.fixture(scope="module")
def layered(tiny_dataset: Path) -> Dataset:
    return LayeredDataset(tiny_dataset)


@pytest.fixture
def weights(layered: Dataset, tmp_path: Path) -> Path:
    save_network(tmp_path / "eye.safetensors", lively("nothing", layered))
    return tmp_path / "eye.safetensors"


def attacked(layered: Dataset, out: Path, settings: AttackSettings = SETTINGS, **more: object) -> Run:
    network = ToyNetwork(statistics=ToyStatistics())
    return attack_dataset(network, layered, settings, out, selection=FEW, **more)  # type: ignore[arg-type]


def test_a_judge_that_is_blind_to_colour_sees_the_old_pose_in_every_row(layered: Dataset, tmp_path: Path) -> None:
    rows = attacked(layered, tmp_path / "run", judge=Blind()).rows()
    assert len(rows["judge_error_mm"]) == 40 and rows["error_verified_mm"].max() > 60
    assert (rows["judge_error_mm"] == 0).all() and (rows["judge_error_initial_mm"] == 0).all()


def test_the_target_as_judge_sees_what_the_target_sees(layered: Dataset, tmp_path: Path) -> None:
    network = ToyNetwork(statistics=ToyStatistics())
    run = attack_dataset(network, layered, SETTINGS, tmp_path / "run", judge=network, selection=FEW)
    rows = run.rows()
    np.testing.assert_array_equal(rows["judge_error_mm"], rows["error_verified_mm"])
    # of the initial error the judge is asked on 8 bits, the target before rounding: half a grey level at most
    np.testing.assert_allclose(rows["judge_error_initial_mm"], rows["error_initial_mm"], atol=2000 * 0.5 / 255)
    assert run.rows(attack="appearance")["judge_error_initial_mm"].min() > 0


def test_rows_of_every_attack_and_control_have_the_judges_errors(
    layered: Dataset, weights: Path, tmp_path: Path
) -> None:
    run = attacked(layered, tmp_path / "run", SETTINGS.model_copy(update={"judge": str(weights)}))
    kinds = {(row["setting"], row["control"]) for row in run.table().to_pylist()}
    assert len(kinds) == 10 and not np.isnan(run.rows()["judge_error_mm"]).any()
    assert run.info["judge"]["name"] == "eye" and len(run.info["judge"]["weights_hash"]) == 64
    one, other = (
        run.rows(**where)["judge_error_mm"] for where in ({"attack": "appearance"}, {"control": "grey noise"})
    )
    assert one.mean() > other.mean()


def test_nobody_judges_where_nobody_is_asked(layered: Dataset, weights: Path, tmp_path: Path) -> None:
    for judge in (None, "none"):
        run = attacked(layered, tmp_path / str(judge), AttackSettings(**SETTINGS.model_dump() | {"judge": judge}))
        assert run.info["judge"] is None and np.isnan(run.rows()["judge_error_mm"]).all()


def test_auto_takes_the_shipped_judge_if_it_sees_frames_of_this_size(
    layered: Dataset, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SETTINGS.judge == "auto"
    monkeypatch.setattr(networks, "shipped_weights", lambda: {})
    assert attacked(layered, tmp_path / "without").info["judge"] is None
    monkeypatch.setattr(networks, "shipped_weights", lambda: {"judge": weights})
    assert attacked(layered, tmp_path / "with").info["judge"]["name"] == "eye"
    large = Disentangled(SMALL.model_copy(update={"frame_size": 128, "crop_size": 64}))
    large.add_regressor()
    save_network(tmp_path / "large.safetensors", large)
    monkeypatch.setattr(networks, "shipped_weights", lambda: {"judge": tmp_path / "large.safetensors"})
    assert attacked(layered, tmp_path / "large").info["judge"] is None
    with pytest.raises(DataError, match="32 pixels wide and the network's 128"):
        attacked(
            layered, tmp_path / "named", SETTINGS.model_copy(update={"judge": str(tmp_path / "large.safetensors")})
        )
    assert not (tmp_path / "named").exists()


def test_a_judge_that_cannot_judge_is_refused_before_anything_is_written(layered: Dataset, tmp_path: Path) -> None:
    save_network(tmp_path / "bare.safetensors", Disentangled(SMALL))
    for judge, error, words in (
        (tmp_path / "nowhere", DataError, "There are no weights at .*nowhere"),
        (tmp_path / "bare.safetensors", ConfigError, "The judge has no pose regressor"),
    ):
        with pytest.raises(error, match=words):
            attacked(layered, tmp_path / "run", SETTINGS.model_copy(update={"judge": str(judge)}))
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_resumed_under_another_judge(layered: Dataset, weights: Path, tmp_path: Path) -> None:
    attacked(layered, tmp_path / "run")
    with pytest.raises(ConfigError, match=r"holds a run with another judge \(none, now 'eye'\)"):
        attacked(layered, tmp_path / "run", judge=weights, resume=True)


def test_step_sizes_are_chosen_without_asking_the_judge(layered: Dataset, tmp_path: Path) -> None:
    class Counting(Blind):
        asked = 0

        def predict(self, frames: Tensor) -> Tensor:
            self.asked += 1
            return super().predict(frames)

    judge = Counting()
    settings = AttackSettings(attacks=("paper",), iterations=3, step_size_frames=4, threshold_mm=60, controls=False)
    attacked(layered, tmp_path / "run", settings, judge=judge)
    assert judge.asked == 3, "clean, synthesised, attacked"
