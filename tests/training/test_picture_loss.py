"""One picture loss for every method: each setting changes it the way it says."""

from math import isclose

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from turncoat.kernels import ConfigError, DataError
from turncoat.training.losses import (
    IMAGE_LOSSES,
    ImageLossSettings,
    PictureLoss,
    align_colours,
    image_loss_reference,
    named_image_loss,
    structure_distance,
)
from turncoat.training.networks.imagenet import ResNet18Features
from turncoat.training.networks.presets import IMAGENET_MEAN, IMAGENET_STD

NOTHING = {"absolute": 0.0, "squared": 0.0, "person": 0.0, "edges": 0.0, "coarse_edges": 0.0}


def loss_of(**settings):
    """A picture loss of nothing but these settings."""
    return PictureLoss(ImageLossSettings(**NOTHING | settings))


def pictures(frames=4, size=(48, 64), seed=0):
    """Synthesis, frames and background; a sixth of the pixels is person."""
    g = torch.Generator().manual_seed(seed)
    background = 0.2 + 0.6 * F.interpolate(torch.rand(frames, 3, 12, 16, generator=g), size, mode="bilinear")
    person = torch.zeros(1, 1, *size)
    person[..., 8:40, 20:36] = 1
    target = background + person * (0.3 - 0.6 * (background > 0.5).float())
    synthesis = target + 0.1 * torch.randn(target.shape, generator=g)
    return synthesis, target, background


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory):
    """A file of random ResNet-18 weights under torchvision's names, with a classifier as torchvision's have."""
    torch.manual_seed(0)
    names = {"first.0": "conv1", "first.1": "bn1", "second.0": "conv2", "second.1": "bn2", "shortcut": "downsample"}
    weights = {"fc.weight": torch.zeros(1000, 512)}
    for name, tensor in ResNet18Features().state_dict().items():
        name = name.replace("stem.0", "conv1").replace("stem.1", "bn1")
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        weights[name] = tensor
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_file(weights, path)
    return str(path)


# Terms


@pytest.mark.parametrize("term", ["absolute", "squared", "edges", "coarse_edges", "perceptual"])
def test_the_loss_is_the_weighted_sum_of_its_terms(term):
    synthesis, frames, background = pictures()
    alone = loss_of(**{term: 1.0})(synthesis, frames, background).loss
    assert alone > 1e-4
    every = {"absolute": 2.0, "squared": 10.0, "edges": 2.0, "coarse_edges": 4.0, "perceptual": 2.0}
    without = loss_of(**every | {term: 0.0})(synthesis, frames, background).loss
    assert isclose(loss_of(**every)(synthesis, frames, background).loss - without, every[term] * alone, rel_tol=1e-4)


def test_colour_terms_are_what_they_are_called():
    synthesis, frames, background = pictures()
    error = synthesis - frames
    assert isclose(loss_of(absolute=1.0)(synthesis, frames, background).loss, error.abs().mean(), rel_tol=1e-5)
    assert isclose(loss_of(squared=1.0)(synthesis, frames, background).loss, (error**2).mean(), rel_tol=1e-5)


def test_the_person_counts_more_where_the_background_tells_it():
    _, frames, background = pictures()
    person = ((frames - background).abs().amax(1, keepdim=True) > 0.05).float()
    plain, weighted = loss_of(squared=1.0), loss_of(squared=1.0, person=5.0)
    for where, factor in ((person, 6.0), (1 - person, 1.0)):
        synthesis = frames + 0.1 * where
        ratio = weighted(synthesis, frames, background).loss / plain(synthesis, frames, background).loss
        assert isclose(ratio, factor, rel_tol=1e-4)


def test_normalised_errors_are_in_units_of_imagenets_deviations():
    _, frames, background = pictures()
    for channel, std in enumerate(IMAGENET_STD):
        synthesis = frames.clone()
        synthesis[:, channel] += 0.1
        for term, power in (("absolute", 1), ("squared", 2)):
            plain = loss_of(**{term: 1.0})(synthesis, frames, background)
            normalised = loss_of(**{term: 1.0}, normalised=True)(synthesis, frames, background)
            assert isclose(normalised.loss / plain.loss, 1 / std**power, rel_tol=1e-4)
            assert torch.allclose(normalised.squared_error, plain.squared_error, rtol=1e-4)


# Alignment


@pytest.mark.parametrize("name", ["official", "studio", "ugar"])
def test_alignment_makes_a_loss_blind_to_gain_and_offset_of_each_image_and_channel(name):
    _, frames, background = pictures()
    g = torch.Generator().manual_seed(1)
    gain, offset = 0.4 + torch.rand(4, 3, 1, 1, generator=g), torch.rand(4, 3, 1, 1, generator=g) - 0.5
    aligned = PictureLoss(IMAGE_LOSSES[name].model_copy(update={"align": True}))
    plain = PictureLoss(IMAGE_LOSSES[name].model_copy(update={"align": False}))
    changed = gain * frames + offset
    assert aligned(changed, frames, background).loss < 1e-3 < 0.1 < plain(changed, frames, background).loss
    assert aligned(frames.flip(-1), frames, background).loss > 0.1


def test_alignment_pushes_neither_brightness_nor_contrast():
    """The gradient flows through the alignment: it has no component along an image's offset or its gain."""
    synthesis, frames, _ = pictures()
    synthesis.requires_grad_()
    PictureLoss(IMAGE_LOSSES["official"])(synthesis, frames).loss.backward()
    along_offset = synthesis.grad.sum((2, 3)).abs()
    along_gain = (synthesis.grad * (synthesis - synthesis.mean((2, 3), keepdim=True))).sum((2, 3)).abs()
    size = synthesis.grad.abs().sum((2, 3))
    assert (along_offset < 1e-4 * size).all() and (along_gain < 1e-4 * size).all()


def test_alignment_leaves_the_facts_alone():
    synthesis, frames, background = pictures()
    facts = [loss_of(squared=1.0, align=align)(0.5 * synthesis, frames, background) for align in (False, True)]
    assert facts[0].loss > 2 * facts[1].loss
    assert torch.allclose(facts[0].squared_error, facts[1].squared_error, rtol=1e-4)
    assert torch.equal(facts[0].person, facts[1].person)


def test_aligned_colours_have_the_targets_mean_and_deviation():
    picture, target = torch.rand(2, 3, 9, 9, dtype=torch.float64), 3 * torch.rand(2, 3, 9, 9, dtype=torch.float64)
    aligned = align_colours(picture, target)
    assert torch.allclose(aligned.mean((2, 3)), target.mean((2, 3)))
    assert torch.allclose(aligned.std((2, 3)), target.std((2, 3)), rtol=1e-3)


def test_a_flat_picture_has_a_finite_gradient(resnet18):
    """Nothing to standardise: the deviation is zero, in the picture and in feature maps that are off everywhere."""
    frames = pictures()[1]
    flat = torch.full_like(frames, 0.5).requires_grad_()
    PictureLoss(named_image_loss("official", resnet18))(flat, frames).loss.backward()
    assert torch.isfinite(flat.grad).all()


# The perceptual term


def test_without_a_file_structure_takes_the_perceptual_terms_place():
    synthesis, frames, _ = pictures()
    expected = 2 * structure_distance(synthesis, frames).mean()
    assert isclose(loss_of(perceptual=2.0)(synthesis, frames).loss, expected, rel_tol=1e-5)


@pytest.mark.parametrize("error", ["squared", "absolute"])
def test_with_a_file_the_perceptual_term_is_the_error_of_three_feature_maps(resnet18, error):
    synthesis, frames, _ = pictures()
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_STD))
    features = ResNet18Features().load(resnet18)
    maps = zip(features((synthesis - mean) / std), features((frames - mean) / std), strict=True)
    power = {"squared": 2, "absolute": 1}[error]
    expected = 2 * sum(((a - b).abs() ** power).mean() for a, b in maps) / 3
    loss = loss_of(perceptual=2.0, features=resnet18, feature_error=error)
    assert isclose(loss(synthesis, frames).loss, expected, rel_tol=1e-5)
    assert loss(frames, frames).loss == 0


def test_the_features_never_train_and_their_input_does(resnet18):
    synthesis, frames, _ = pictures()
    synthesis.requires_grad_()
    loss = PictureLoss(named_image_loss("official", resnet18))
    before = {name: tensor.clone() for name, tensor in loss.features.state_dict().items()}
    loss.features.train()
    loss(synthesis, frames).loss.backward()
    assert synthesis.grad.abs().max() > 0
    assert not any(module.training for module in loss.features.features.modules())
    assert not any(parameter.requires_grad for parameter in loss.features.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in loss.features.state_dict().items())


def test_the_official_loss_is_its_formula(resnet18):
    """Everything in ImageNet's colours, aligned there, as methods 1.7 says."""
    synthesis, frames, _ = pictures()
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_STD))
    ours, theirs = (synthesis - mean) / std, (frames - mean) / std
    ours = align_colours(ours, theirs)
    features = ResNet18Features().load(resnet18)
    maps = [(align_colours(a, b) - b).square().mean() for a, b in zip(features(ours), features(theirs), strict=True)]
    expected = (ours - theirs).square().mean() + 2 * sum(maps) / 3
    result = PictureLoss(named_image_loss("official", resnet18))(synthesis, frames)
    assert isclose(result.loss, expected, rel_tol=1e-3)  # 1e-5 is added to deviations of another unit


def test_ugars_loss_is_l1_without_alignment(resnet18):
    synthesis, frames, _ = pictures()
    std = torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)
    colours = ((synthesis - frames) / std).abs().mean()
    features = loss_of(perceptual=2.0, features=resnet18, feature_error="absolute")(synthesis, frames).loss
    result = PictureLoss(named_image_loss("ugar", resnet18))(synthesis, frames)
    assert isclose(result.loss, colours + features, rel_tol=1e-5)


# Bad input


def test_a_weights_file_of_the_wrong_shape_is_refused_in_one_sentence(resnet18, tmp_path):
    from safetensors.torch import load_file

    weights = load_file(resnet18)
    resnet50 = weights | {"layer1.0.conv1.weight": torch.zeros(64, 64, 1, 1)}
    headless = {name: tensor for name, tensor in weights.items() if name != "layer2.1.conv2.weight"}
    cases = {
        "resnet50": (resnet50, "layer1.0.conv1.weight is 64x64x1x1 where 64x64x3x3 is expected"),
        "headless": (headless, "layer2.1.conv2.weight is missing"),
        "other": (
            {"weight": torch.zeros(3)},
            "of its 1 tensors none has a name that is used there, such as conv1.weight",
        ),
    }
    for name, (tensors, message) in cases.items():
        path = tmp_path / f"{name}.safetensors"
        save_file(tensors, path)
        with pytest.raises(DataError, match=message) as refused:
            PictureLoss(named_image_loss("official", str(path)))
        said = str(refused.value)
        assert said.startswith(f"{path} does not hold the weights of torchvision's resnet18") and "\n" not in said
        assert said.endswith("give what safetensors.torch.save_file makes of resnet18().state_dict().")
        assert not any(ours in said for ours in ("stem", "first", "second", "shortcut")), (
            "our names are nobody's business"
        )
    whole = (tmp_path / "resnet50.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="truncated"):
        PictureLoss(named_image_loss("official", str(tmp_path / "cut.safetensors")))
    with pytest.raises(DataError, match="no ImageNet weights at"):
        PictureLoss(named_image_loss("official", str(tmp_path / "nowhere.safetensors")))


def test_settings_that_contradict_each_other_are_refused(resnet18):
    with pytest.raises(ConfigError, match="set perceptual above 0"):
        PictureLoss(named_image_loss("studio", resnet18))
    with pytest.raises(ConfigError, match="has no term"):
        loss_of()
    with pytest.raises(ConfigError, match="choose one of studio, official, ugar"):
        named_image_loss("oficial")


# Crops, batches, precision


def test_without_a_background_every_pixel_is_alike():
    """What UGAR compares: crops, whose background is not known."""
    synthesis, frames, background = pictures()
    settings = ImageLossSettings(person=0.0)
    with_it, without = (PictureLoss(settings)(synthesis, frames, each) for each in (background, None))
    assert with_it.loss == without.loss
    assert torch.allclose(without.squared_error, (synthesis - frames).square().mean((1, 2, 3)))
    assert without.person.tolist() == [1, 1, 1, 1]
    with pytest.raises(ConfigError, match="set person to 0 or pass the background"):
        PictureLoss()(synthesis, frames)


@pytest.mark.parametrize("name", ["studio", "official", "ugar", "features"])
def test_a_batchs_loss_is_the_mean_of_its_frames_losses(name, resnet18):
    """What processes that share a batch rely on: they average their losses."""
    synthesis, frames, background = pictures()
    loss = PictureLoss(named_image_loss("official", resnet18) if name == "features" else IMAGE_LOSSES[name])
    whole = loss(synthesis, frames, background)
    alone = [loss(*(each[k : k + 1] for each in (synthesis, frames, background))) for k in range(4)]
    assert isclose(whole.loss, sum(each.loss for each in alone) / 4, rel_tol=1e-4)
    assert torch.allclose(whole.squared_error, torch.cat([each.squared_error for each in alone]), rtol=1e-4)


def test_batch_statistics_are_the_exception(resnet18):
    synthesis, frames, _ = pictures()
    losses = {}
    for quirk in (False, True):
        loss = loss_of(perceptual=1.0, features=resnet18, batch_statistics=quirk)
        whole, halves = (loss(synthesis, frames).loss, [loss(synthesis[k], frames[k]).loss for k in ([0, 1], [2, 3])])
        losses[quirk] = (whole, abs(whole - sum(halves) / 2) / whole)
    assert losses[False][1] < 1e-4 < losses[True][1]
    assert losses[True][0] != losses[False][0]


@pytest.mark.parametrize("name", ["studio", "official"])
def test_the_loss_is_float32_inside_bfloat16(name, resnet18):
    """The network's precision is not the loss's: inside autocast nothing changes, bfloat16 pictures are widened."""
    synthesis, frames, background = (each.bfloat16() for each in pictures())
    loss = PictureLoss(IMAGE_LOSSES[name].model_copy(update={"perceptual": 2.0, "features": resnet18}))
    wide = loss(synthesis.float(), frames.float(), background.float()).loss
    with torch.autocast("cpu", dtype=torch.bfloat16):
        narrow = loss(synthesis.requires_grad_(), frames, background).loss
    narrow.backward()
    assert narrow.dtype == torch.float32 and narrow == wide
    assert synthesis.grad.dtype == torch.bfloat16 and synthesis.grad.abs().max() > 0


@pytest.mark.parametrize("name", ["studio", "official", "ugar"])
def test_the_gradient_is_the_derivative(name):
    synthesis, frames, background = (each.double() for each in pictures(frames=2, size=(24, 26)))
    settings = IMAGE_LOSSES[name].model_copy(update={"perceptual": 1.0})
    loss = PictureLoss(settings)
    assert torch.autograd.gradcheck(
        lambda s: loss(s, frames, background).loss, synthesis.requires_grad_(), fast_mode=True
    )


def test_odd_sizes_are_no_trouble():
    """The compiled pass works on pairs of pixels; other sizes take the readable way."""
    synthesis, frames, background = (each[..., :45, :63].clone() for each in pictures())
    synthesis.requires_grad_()
    ours = PictureLoss()(synthesis, frames, background).loss
    reference = image_loss_reference(synthesis, frames, background, ImageLossSettings()).loss
    assert torch.equal(ours, reference)
    assert torch.equal(*(torch.autograd.grad(loss, synthesis)[0] for loss in (ours, reference)))


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["studio", "official", "ugar", "features"])
def test_a_gpu_says_the_same(name, resnet18):
    loss = PictureLoss(named_image_loss("official", resnet18) if name == "features" else IMAGE_LOSSES[name])
    losses, gradients = [], []
    for device in ("cpu", "cuda"):
        synthesis, frames, background = (each.to(device) for each in pictures())
        losses.append(loss(synthesis.requires_grad_(), frames, background).loss)
        gradients.append(torch.autograd.grad(losses[-1], synthesis)[0].cpu())
    assert losses[1].device.type == "cuda"
    assert isclose(losses[0].item(), losses[1].item(), rel_tol=1e-3)
    assert (gradients[0] - gradients[1]).norm() < 1e-2 * gradients[0].norm()
