"""Snapshots of a run are read in order, each by what it paints and by a pose that a linear map finds."""

import pytest
import torch

from turncoat.kernels import DataError
from turncoat.kernels.pose_error import mpjpe
from turncoat.training.checkpoint import save_network
from turncoat.training.data import open_dataset
from turncoat.training.networks import Disentangled, preset
from turncoat.training.trend import Ridge, snapshot_trend

SHAPE = preset("studio", frame_size=64, crop_size=32, regressor_hidden=64)


def test_a_linear_map_is_found():
    random = torch.Generator().manual_seed(0)
    codes, weights = torch.randn(800, 40, generator=random), torch.randn(40, 51, generator=random)
    poses = (codes @ weights).view(-1, 17, 3) * 100
    probe = Ridge(codes[:600], poses[:600])
    null = mpjpe(poses[:600].mean(0).expand_as(poses[600:]), poses[600:]).mean()
    assert mpjpe(probe(codes[600:]), poses[600:]).mean() < 0.1 * null


@pytest.mark.parametrize("paints", ["person", "nothing", "crop"])
def test_every_snapshot_is_a_point(tiny_dataset, tmp_path, paints):
    for seed, (name, images) in enumerate(
        {"snapshots/images-00000200": 200, "snapshots/images-00000100": 100, "network": 240}.items()
    ):
        torch.manual_seed(seed)
        (tmp_path / "snapshots").mkdir(exist_ok=True)
        network = Disentangled(SHAPE.model_copy(update={"paints": paints}))
        save_network(tmp_path / f"{name}.safetensors", network.eval(), {"images": images})
    calls = []
    document = snapshot_trend(
        tmp_path, open_dataset(tiny_dataset), frames=12, training_frames=40, progress=lambda *done: calls.append(done)
    )
    assert [point["images"] for point in document["points"]] == [100, 200, 240]
    assert calls == [(1, 3), (2, 3), (3, 3)] and document["frames"] == 12 and document["mean_pose_mm"] > 0
    for point in document["points"]:
        assert point["probe_mm"] > 0
        assert (point["person_db"] is None) == (point["probe_initial_mm"] is None) == (paints == "nothing")
    assert (document["background_db"] is None) == (paints == "nothing")


def test_a_folder_without_networks_is_refused(tiny_dataset, tmp_path):
    with pytest.raises(DataError, match="holds no snapshots and no network"):
        snapshot_trend(tmp_path, open_dataset(tiny_dataset))
