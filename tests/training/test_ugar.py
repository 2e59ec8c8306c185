"""UGAR sees what it is given, exchanges what NSD exchanges, and learns whole crops."""

import copy

import numpy as np
import pytest
import torch

from turncoat.kernels import ConfigError
from turncoat.kernels.resample import invert_box, resample
from turncoat.training import methods
from turncoat.training.batches import Batches
from turncoat.training.checkpoint import load_network
from turncoat.training.data import open_dataset
from turncoat.training.data.tensors import as_float
from turncoat.training.fit import FitSettings, fit
from turncoat.training.methods import build_method
from turncoat.training.methods.base import prepared
from turncoat.training.methods.nsd import NSD, NSDSettings, rotate
from turncoat.training.methods.ugar import UGAR, UGARSettings
from turncoat.training.networks import Disentangled, Given, given_of, preset
from turncoat.training.recipes import build_settings, recipe

SHAPE = preset("studio", frame_size=64, crop_size=32, paints="crop")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset(tiny_dataset):
    return open_dataset(tiny_dataset)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Disentangled(SHAPE)


def batch_of(method, dataset, size=8, step=0):
    rows = method.sampler(dataset, dataset.select(split="train"), size, seed=0).batch(step)
    return prepared(method.load(dataset, rows), CPU), rows


def test_a_batch_holds_the_datasets_boxes_and_masks(dataset):
    batch, rows = batch_of(UGAR(), dataset)
    given = given_of(dataset, rows)
    assert torch.equal(batch.box, given.box) and torch.equal(batch.mask, given.mask)
    assert torch.equal(batch.frames, as_float(dataset.read(rows)))
    assert torch.equal(batch.background, as_float(dataset.background(rows)))


def test_frames_and_exchanges_are_those_of_nsd(dataset):
    ugar, nsd = UGAR(UGARSettings(view=0.3, swap=0.6)), NSD(NSDSettings(view=0.3, swap=0.6))
    rows = dataset.select(split="train")
    assert np.array_equal(ugar.sampler(dataset, rows, 16, 5).batch(7), nsd.sampler(dataset, rows, 16, 5).batch(7))
    ours, theirs = (method.draw(np.random.default_rng(3), 16) for method in (ugar, nsd))
    assert torch.equal(ours.pose, theirs.pose) and torch.equal(ours.appearance, theirs.appearance)


def test_what_is_rebuilt_is_the_crop_of_the_frame_from_the_exchanged_codes(dataset, network):
    """The loss is nothing but that of these crops; here it is put together by hand, L1 alone."""
    settings = UGARSettings(cycle=0, image={"absolute": 1, "person": 0, "edges": 0, "coarse_edges": 0})
    method = UGAR(settings)
    assert method.settings.image.squared == 0
    batch, _ = batch_of(method, dataset)
    draw = method.draw(np.random.default_rng(1), 8)
    network.eval()
    with torch.no_grad():
        loss, facts, _ = method.loss(network, batch, draw, 0.0)
        codes = network.encode(batch.frames, given=Given(batch.box, batch.mask))
        pose_code = rotate(codes.pose_code[draw.pose], batch.rotation[draw.pose], batch.rotation)
        crop = network.decode_crop(codes.appearance[draw.appearance], pose_code, batch.box, batch.background)
        true = resample(batch.frames, batch.box, 32, 32)
    assert loss.item() == pytest.approx((crop - true).abs().mean().item(), rel=1e-4)
    assert float(facts["person_mean"][0]) / 8 > 0.05


@pytest.mark.parametrize("view", [0.0, 1.0])
@pytest.mark.parametrize("swap", [0.0, 1.0])
def test_a_swap_takes_the_appearance_of_another_instant_and_a_view_the_pose_of_another_camera(dataset, view, swap):
    method = UGAR(UGARSettings(view=view, swap=swap))
    _, rows = batch_of(method, dataset, size=16)
    draw = method.draw(np.random.default_rng(4), 16)
    instant, camera, sequence = (dataset.column(name)[rows] for name in ("instant", "camera", "sequence"))
    pose, appearance = draw.pose.numpy(), draw.appearance.numpy()
    assert (instant[pose] == instant).all() and (sequence[appearance] == sequence).all()
    assert ((camera[pose] != camera) == (view == 1)).all()
    assert ((instant[appearance] != instant) == (swap == 1)).all()
    if not swap:
        assert (appearance == pose).all(), "both codes are of one frame"


def test_a_swapped_frame_owes_its_appearance_to_the_other_instant_alone(dataset, network):
    """Noise in the frames of one instant reaches a crop through the code that it is painted from, and no other way."""
    method = UGAR(UGARSettings(view=0, swap=1))
    batch, _ = batch_of(method, dataset, size=4)
    draw = method.draw(np.random.default_rng(0), 4)
    painted = []
    network.eval()
    decode = network.decode_crop
    for noise in (0.0, 0.5):
        frames = batch.frames.clone()
        frames[2:] = (frames[2:] + noise * torch.rand(frames[2:].shape, generator=torch.manual_seed(1))).clamp(0, 1)
        seen = []
        network.decode_crop = lambda *codes, seen=seen: (seen.append(codes), decode(*codes))[1]
        with torch.no_grad():
            method.loss(network, batch._replace(frames=frames), draw, 0.0)
        painted.append(seen[0])
    (appearance, pose_code, _, _), (noisy_appearance, noisy_pose, _, _) = painted
    assert torch.equal(pose_code[:2], noisy_pose[:2]) and not torch.equal(pose_code[2:], noisy_pose[2:])
    assert torch.equal(appearance[2:], noisy_appearance[2:]) and not torch.equal(appearance[:2], noisy_appearance[:2])


def test_what_is_counted_as_swapped_is_swapped(dataset, network):
    for swap, view, kind in ((1.0, 1.0, "swapped"), (0.0, 1.0, "rotated"), (0.0, 0.0, "own")):
        method = UGAR(UGARSettings(view=view, swap=swap))
        batch, _ = batch_of(method, dataset)
        facts = method.loss(network.eval(), batch, method.draw(np.random.default_rng(2), 8), 0.0).facts
        counts = {name.removeprefix("person_mse_"): float(count) for name, (_, count) in facts.items()
                  if name.startswith("person_mse_")}  # fmt: skip
        assert counts == {"own": 0, "rotated": 0, "swapped": 0} | {kind: 8}


def test_every_part_learns_and_the_cycle_term_starts_late(dataset, network):
    method = UGAR(UGARSettings(cycle_from=0.6, cycle_frames=4))
    batch, _ = batch_of(method, dataset)
    draw = method.draw(np.random.default_rng(1), 8)
    early = method.loss(network.train(), batch, draw, 0.59)
    late = method.loss(network, batch, draw, 0.6)
    assert "cycle" not in early.facts and float(late.facts["cycle"][0]) > 0 and network.training
    late.loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("exchange", [0.0, 1.0])
def test_frames_are_learned_in_a_few_steps_with_and_without_exchange(dataset, network, exchange):
    method = UGAR(UGARSettings(view=exchange, swap=exchange, cycle=0))
    batch, _ = batch_of(method, dataset)
    draw = method.draw(np.random.default_rng(1), 8)
    optimiser = torch.optim.Adam(network.train().parameters(), 2e-3)
    losses = []
    for _ in range(25):
        loss = method.loss(network, batch, draw, 0.0).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_pictures_show_the_input_three_repaintings_and_the_crop(dataset, network):
    method = UGAR()
    batch, _ = batch_of(method, dataset)
    grid = method.pictures(network.eval(), batch)
    assert grid.shape == (3, 5 * 64, 8 * 64) and grid.min() >= 0 and grid.max() <= 1
    outside = batch.mask[0, 0] == 0
    for row in (1, 2, 3):
        picture = grid[:, row * 64 : (row + 1) * 64, :64]
        assert torch.equal(picture[:, outside], batch.background[0][:, outside])


def test_a_network_that_finds_people_itself_is_refused(dataset):
    with pytest.raises(ConfigError, match="UGAR paints whole crops and this network paints 'person'; set"):
        UGAR().begin(Disentangled(SHAPE.model_copy(update={"paints": "person"})), dataset, np.arange(4))


def test_it_trains_through_the_loop_and_its_network_comes_back(dataset, tmp_path, monkeypatch):
    monkeypatch.setitem(methods.METHODS, "ugar", (UGAR, UGARSettings))
    settings = FitSettings(images=32, batch=8, threads=1, log_every=2, pictures_every=4, precision="float32")
    assert fit(dataset, tmp_path / "run", SHAPE, settings, method="ugar").done
    network = load_network(tmp_path / "run")
    assert network.needs_given and network.metadata["method"] == "ugar"


def test_batches_come_with_boxes_in_every_process(dataset):
    method = UGAR()
    sampler = method.sampler(dataset, dataset.select(split="train"), 8, 0)
    with Batches(method, dataset, sampler, FitSettings(images=64, batch=8), CPU) as batches:
        batch, draw = batches.of(2)
    assert batch.box.shape == (8, 4) and batch.mask.max() == 1 and draw.pose.shape == (8,)


# At paper size: the official layers, 128-pixel crops, the recipe's settings


@pytest.fixture(scope="module")
def paper():
    """The method of the recipe and a network in the official layers, on the small frames of the tests."""
    torch.manual_seed(0)
    method = build_method("ugar", recipe("ugar", "paper").method, {"image": {"perceptual": 0.0}})
    return method, Disentangled(preset("paper", frame_size=64, paints="crop"))


def test_the_paper_recipe_swaps_and_has_its_decoder_learn_like_the_rest(paper):
    settings = paper[0].settings
    assert (settings.swap, settings.view, settings.cycle, settings.everyday) == (1.0, 0.5, 0.0, None)
    assert paper[0].learning_rates == {"decoder": 1.0} and settings.image.squared == 0 < settings.image.absolute
    fit_settings = build_settings(FitSettings, recipe("ugar", "paper").fit)
    paper[0].check_batch(fit_settings.batch)
    assert fit_settings.steps == 400_000 and fit_settings.batch == 32


def test_at_paper_size_the_loss_is_that_of_128_pixel_crops_from_exchanged_codes(dataset, paper):
    method, network = paper
    batch, _ = batch_of(method, dataset, size=4)
    draw = method.draw(np.random.default_rng(0), 4)
    network.eval()
    with torch.no_grad():
        loss = method.loss(network, batch, draw, 0.0).loss
        codes = network.encode(batch.frames, given=Given(batch.box, batch.mask))
        turned = rotate(codes.pose_code[draw.pose], batch.rotation[draw.pose], batch.rotation)
        crop = network.decode_crop(codes.appearance[draw.appearance], turned, batch.box, batch.background)
        true = resample(batch.frames, batch.box, 128, 128)
    error = (crop - true) / network.std if method.settings.image.normalised else crop - true
    assert crop.shape == (4, 3, 128, 128) and set(draw.appearance.tolist()) == {0, 1, 2, 3}
    assert loss.item() == pytest.approx(method.settings.image.absolute * error.abs().mean().item(), rel=1e-4)


def test_at_paper_size_every_layer_learns_and_a_step_lowers_the_loss(dataset, paper):
    method, network = copy.deepcopy(paper)
    batch, _ = batch_of(method, dataset, size=4)
    draw = method.draw(np.random.default_rng(0), 4)
    optimiser = torch.optim.Adam(network.train().parameters(), 1e-3)
    losses = []
    for _ in range(2):
        loss = method.loss(network, batch, draw, 0.0).loss
        optimiser.zero_grad()
        loss.backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_at_paper_size_what_is_attacked_is_what_was_trained(dataset, paper):
    """A canvas painted with an appearance code is the crop of the same codes, pasted through the given mask."""
    _, network = paper
    network.eval()
    rows = dataset.select(split="train")[:2]
    frames, background = as_float(dataset.read(rows)), as_float(dataset.background(rows))
    given = given_of(dataset, rows)
    codes = network.encode(frames, given=given)
    appearance = codes.appearance.flip(0).detach().requires_grad_(True)
    painted = network.paint(appearance, network.canvas(codes, background, given=given))
    crop = network.decode_crop(appearance, codes.pose_code, given.box, background)
    pasted = resample(crop, invert_box(given.box), 64, 64, padding="border").clamp(0, 1)
    inside = (given.mask > 0).expand_as(pasted)
    assert torch.allclose(painted[inside], pasted[inside], atol=1e-5) and torch.equal(
        painted[~inside], background[~inside]
    )
    (gradient,) = torch.autograd.grad(network.encode(painted, given=given).pose_code.square().sum(), appearance)
    assert (gradient.abs().amax(1) > 0).all()
