"""Frames are encoded once, by whatever encodes."""

import numpy as np
import pytest
import torch

from fixtures.toys import ToyNetwork
from turncoat.engine.analysis.codes import FrameSettings, gather_codes
from turncoat.engine.analysis.codes.information import crops
from turncoat.kernels.errors import DataError
from turncoat.training.data import open_dataset

SMALL = FrameSettings(frames=50, training=60)


@pytest.fixture(scope="module")
def dataset(tiny_dataset):
    return open_dataset(tiny_dataset)


def test_a_network_that_only_encodes_is_enough(dataset):
    codes = gather_codes(ToyNetwork(), dataset, SMALL)
    assert codes.name == "toy" and codes.official_head is None and codes.method is None
    assert (len(codes.train), len(codes.test)) == (60, 50)
    assert set(codes.test.column("split")) == {"held-out"} and set(codes.test.column("group")) == {"everyday"}
    assert not set(codes.train.column("sequence")) & set(codes.test.column("sequence"))
    network = ToyNetwork()
    frames = torch.from_numpy(np.ascontiguousarray(dataset.read(codes.test.rows[:5]))).float() / 255
    np.testing.assert_allclose(codes.test.codes["appearance"][:5], network.encode(frames).appearance, atol=1e-4)
    assert codes.people() == ["subject"] and codes.described()["sequences"] == 4


def test_parts_of_the_frames_keep_their_codes(dataset):
    test = gather_codes(ToyNetwork(), dataset, SMALL).test
    some = test.take(np.array([3, 7]))
    assert some.rows.tolist() == test.rows[[3, 7]].tolist()
    assert torch.equal(some.codes["appearance"], test.codes["appearance"][[3, 7]])
    assert some.pose().shape == (2, 51) and len(test.spread(20)) == 20


def test_crops_show_what_the_box_shows(dataset):
    test = gather_codes(ToyNetwork(), dataset, SMALL).test.take(np.arange(3))
    half = crops(test, 32)
    assert half.shape == (3, 3, 32, 32) and half.min() >= -1 and half.max() <= 1
    frame = torch.from_numpy(np.ascontiguousarray(dataset.read(test.rows))).float() / 255
    # the toy's box is the middle half: corners of its picture are those of the 32 x 32 frame's at a quarter
    expected = 2 * frame[:, :, 7:9, 7:9].mean(dim=(2, 3)) - 1
    np.testing.assert_allclose(half[:, :, 0, 0], expected, atol=0.05)


def test_too_few_recordings_shared_ones_and_missing_ones_are_refused(dataset):
    with pytest.raises(DataError, match=r"has 2 recordings .* needs 4"):
        gather_codes(ToyNetwork(), dataset, FrameSettings(split="unseen motion", group=None, frames=50, training=60))
    with pytest.raises(DataError, match="share recordings"):
        gather_codes(ToyNetwork(), dataset, FrameSettings(split="train", frames=50, training=60))
    with pytest.raises(DataError, match="nowhere"):
        gather_codes(ToyNetwork(), dataset, FrameSettings(split="nowhere"))
