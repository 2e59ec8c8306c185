"""Networks that are told where the person is, and networks that paint nothing."""

import numpy as np
import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from turncoat.export.attack_step import attack_step
from turncoat.kernels import ConfigError
from turncoat.kernels.composite import paint
from turncoat.kernels.resample import resample
from turncoat.training.checkpoint import load_network, save_network
from turncoat.training.data import open_dataset
from turncoat.training.data.boxes import MARGIN, STRETCH, given_box
from turncoat.training.data.tensors import as_float
from turncoat.training.networks import (
    Canvas,
    Disentangled,
    DisentangledNetwork,
    Given,
    given_of,
    guide,
    guided_by,
    needs_given,
    preset,
)
from turncoat.training.networks.crop_decoder import fold, unfold

SHAPE = preset("studio", frame_size=64, crop_size=32, regressor_hidden=32)


def network(paints="crop", shape=SHAPE):
    torch.manual_seed(0)
    net = Disentangled(shape.model_copy(update={"paints": paints}))
    net.add_regressor().pose_std.fill_(100.0)
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def dataset(tiny_dataset):
    return open_dataset(tiny_dataset)


@pytest.fixture(scope="module")
def rows(dataset):
    return dataset.select(split="train")[::40]


def pictures(dataset, rows):
    return as_float(dataset.read(rows)), as_float(dataset.background(rows))


# The box


def test_a_box_is_the_persons_rectangle_with_a_margin():
    """20 wide and 40 high around (31.5 + .5, 29.5 + .5): twice as high as wide, so the width is lengthened."""
    ((scale_x, scale_y, shift_x, shift_y),) = given_box(np.array([[22.0, 10, 42, 50]]), 64).tolist()
    assert scale_y == pytest.approx(MARGIN * 40 / 63, abs=1e-6)
    assert scale_x == pytest.approx(scale_y / STRETCH, abs=1e-6)
    assert shift_x == pytest.approx(0, abs=1e-6) and shift_y == pytest.approx(2 * 29.5 / 63 - 1, abs=1e-6)


def test_a_lying_persons_box_is_lengthened_the_other_way():
    box = given_box(np.array([[2.0, 30, 62, 40]]), 64)[0]
    assert box[0] == pytest.approx(MARGIN * 60 / 63, abs=1e-6) and box[1] == pytest.approx(box[0] / STRETCH, abs=1e-6)


def test_a_tiny_or_missing_person_still_has_a_box_that_can_be_cropped():
    boxes = given_box(np.array([[30.0, 30, 32, 32], [0, 0, 0, 0]]), 64)
    assert (boxes[:, :2] == np.float32(0.2)).all()


def test_every_person_lies_within_the_given_box(dataset, rows):
    given = given_of(dataset, rows)
    inside = resample(
        torch.ones(len(rows), 1, 32, 32),
        torch.cat([1 / given.box[:, :2], -given.box[:, 2:] / given.box[:, :2]], 1),
        64,
        64,
    )
    assert given.mask.sum() > 0 and (inside[given.mask > 0] > 0.999).all()
    assert set(given.mask.unique().tolist()) == {0.0, 1.0}
    assert np.array_equal(given.mask.numpy() > 0, dataset.masks(rows) > 0)


def test_the_true_crop_pasted_back_is_the_frame(dataset, rows):
    """Crop, paste and mask agree: what the crop holds lands where it was cut; outside the mask the background stays."""
    frames, background = pictures(dataset, rows)
    given = given_of(dataset, rows)
    crop = resample(frames, given.box, 1024, 1024)  # as finely as needed to see a wrong place and not a coarse crop
    pasted = paint(crop, given.box, given.mask, background * (1 - given.mask))
    assert (pasted - frames).abs().max() < 0.02
    shifted = given.box + torch.tensor([0.0, 0.0, 2 / 63, 0.0])  # one pixel aside would show
    assert (paint(crop, shifted, given.mask, background * (1 - given.mask)) - frames).abs().max() > 0.1


# The network that paints crops


@pytest.mark.parametrize(
    "shape", [SHAPE, preset("paper", frame_size=64, crop_size=64, regressor_hidden=32)], ids=["studio", "paper"]
)
def test_a_guided_network_keeps_both_protocols(shape, dataset, rows):
    if shape.preset == "paper":  # its encoder takes crops of 128 pixels
        shape = shape.model_copy(update={"crop_size": 128})
        rows = rows[:1]
    net = network(shape=shape)
    frames, background = pictures(dataset, rows)
    seen = guided_by(net, dataset, rows)
    assert isinstance(seen, DisentangledNetwork) and net.detector is None and net.needs_given
    with torch.no_grad():
        codes = seen.encode(frames)
        canvas = seen.canvas(codes, background)
        painted = seen.paint(codes.appearance, canvas)
        pose = seen.predict(frames)
    given = given_of(dataset, rows)
    assert torch.equal(codes.box, given.box) and torch.equal(canvas.mask, given.mask)
    assert isinstance(canvas, Canvas) and codes.appearance.shape[1] == 128 and codes.pose_code.shape[1] == 600
    assert pose.shape == (len(rows), 17, 3) and painted.min() >= 0 and painted.max() <= 1
    outside = (given.mask == 0).expand_as(frames)
    assert torch.equal(painted[outside], background[outside])


def test_the_crop_is_painted_over_the_background_it_is_shown(dataset, rows):
    net, given = network(), given_of(dataset, rows)
    _, background = pictures(dataset, rows)
    appearance, pose_code = torch.zeros(len(rows), 128), torch.zeros(len(rows), 600)
    one = net.decode_crop(appearance, pose_code, given.box, background)
    other = net.decode_crop(appearance, pose_code, given.box, background.flip(1))
    assert one.shape == (len(rows), 3, 32, 32) and not torch.allclose(one, other)
    canvas = net.canvas(net.encode(background, given=given)._replace(pose_code=pose_code), background, given=given)
    inverse = torch.cat([1 / given.box[:, :2], -given.box[:, 2:] / given.box[:, :2]], 1)
    pasted = resample(one, inverse, 64, 64, padding="border").clamp(0, 1)
    inside = (given.mask > 0).expand_as(pasted)
    assert torch.allclose(net.paint(appearance, canvas)[inside], pasted[inside], atol=1e-5)


def test_features_and_background_are_folded_without_loss():
    maps, skip = torch.randn(2, 5, 4, 4), torch.randn(2, 3, 16, 16)
    back = unfold(fold(maps, skip, 4), 3, 4)
    assert torch.equal(back[0], maps) and torch.equal(back[1], skip)


def test_given_crops_do_not_fade_to_their_border(dataset, rows):
    """A detector must feel its border; a given box needs none: a change in a corner of the crop changes the code."""
    given = Given(torch.tensor([[0.5, 0.5, 0.0, 0.0]]), torch.ones(1, 1, 64, 64))
    frames = torch.full((1, 3, 64, 64), 0.5)
    changed = frames.clone()
    changed[:, :, 16:18, 16:18] = 1
    one, other = (network().encode(picture, given=given).pose_code for picture in (frames, changed))
    assert not torch.allclose(one, other, atol=1e-6)


def test_without_a_box_such_a_network_says_what_is_missing(dataset, rows):
    net = network()
    frames, background = pictures(dataset, rows)
    for verb in (net.encode, net.predict, net.detect):
        with pytest.raises(ConfigError, match="has no detector: it is given where the person is"):
            verb(frames)
    codes = net.encode(frames, given=given_of(dataset, rows))
    with pytest.raises(ConfigError, match="is given where the person is"):
        net.canvas(codes, background)
    with pytest.raises(ConfigError, match="is given where the person is"):
        guide(net, None)
    with pytest.raises(ConfigError, match="whole crops without a mask"):
        net.synthesise(codes.appearance, codes.pose_code, codes.box, background)


def test_networks_that_find_the_person_are_left_alone(dataset, rows):
    class Untouchable:
        """A dataset that must not be read."""

    net = network("person")
    assert guide(net, None) is net and guided_by(net, Untouchable(), rows) is net
    assert not needs_given(net, None, object()) and needs_given(net, network())


def test_a_given_box_takes_the_place_of_the_detectors(dataset, rows):
    net, given = network("person"), given_of(dataset, rows)
    frames, _ = pictures(dataset, rows)
    codes = net.encode(frames, given=given)
    assert torch.equal(codes.box, given.box)
    assert torch.allclose(
        net.encode(frames, given=Given(net.detect(frames), given.mask)).pose_code, net.encode(frames).pose_code
    )


def test_the_attack_step_traces_with_boxes_as_an_input(dataset, rows):
    net = network()
    frames, background = pictures(dataset, rows[:2])
    given = given_of(dataset, rows[:2])
    codes = net.encode(frames, given=given)
    canvas = net.canvas(codes, background, given=given)
    reference, weight = net.predict(frames, given=given) + 10.0, torch.ones(17)

    def step(appearance, features, mask, base, box, reference):
        canvas = Canvas(features, mask, base, box)
        return attack_step(net, guide(net, Given(box, mask)), appearance, canvas, reference, weight, 1.0)

    graph = make_fx(step)(codes.appearance, *canvas, reference)
    other = (codes.appearance.flip(0), *(part.flip(0) for part in canvas), reference.flip(0))
    for traced, eager in zip(graph(*other), step(*other), strict=True):
        torch.testing.assert_close(traced, eager)
    assert step(*other)[1].abs().max() > 0


# The network that paints nothing


def test_a_network_without_decoder_predicts_and_says_that_it_cannot_repaint(tmp_path):
    net = network("nothing")
    frames = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    save_network(tmp_path / "net.safetensors", net)
    again = load_network(tmp_path / "net.safetensors", regressor=True)
    assert torch.equal(net.predict(frames), again.predict(frames)) and not again.has_decoder
    assert "decoder" not in dict(again.named_children())
    codes = again.encode(frames)
    for attempt in (
        lambda: again.canvas(codes, frames),
        lambda: again.decode(codes.appearance, codes.pose_code),
        lambda: again.synthesise(codes.appearance, codes.pose_code, codes.box, frames),
        lambda: again.paint(codes.appearance, Canvas(frames, frames, frames, codes.box)),
    ):
        with pytest.raises(
            ConfigError, match="has no decoder, it only predicts poses, so it cannot repaint; attack it"
        ):
            attempt()


def test_a_crop_network_comes_back_from_its_file(tmp_path, dataset, rows):
    net = network()
    save_network(tmp_path / "net.safetensors", net)
    frames, _ = pictures(dataset, rows)
    given = given_of(dataset, rows)
    again = load_network(tmp_path / "net.safetensors")
    assert again.settings == net.settings
    assert torch.equal(net.predict(frames, given=given), again.predict(frames, given=given))
