"""What runs on a GPU says what the CPU says: kernels, networks, a training step of every method."""

import json

import numpy as np
import pytest
import torch

from fixtures.lively import lively
from turncoat.kernels.composite import composite
from turncoat.kernels.device import exact_float32
from turncoat.kernels.pose_error import mpjpe, n_mpjpe, pa_mpjpe
from turncoat.kernels.resample import resample
from turncoat.training.checkpoint import load_network, save_network
from turncoat.training.data import open_dataset
from turncoat.training.evaluate import EvaluationSettings, evaluate
from turncoat.training.fit import FitSettings, fit
from turncoat.training.losses import PictureLoss
from turncoat.training.networks import Disentangled, preset

pytestmark = pytest.mark.gpu
SHAPE = preset("studio", frame_size=64, crop_size=32)


@pytest.fixture(autouse=True)
def full_precision():
    with exact_float32():
        yield


def pictures(seed, *shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def boxes(count):
    random = torch.Generator().manual_seed(1)
    return torch.cat(
        [0.3 + 0.6 * torch.rand(count, 2, generator=random), torch.rand(count, 2, generator=random) - 0.5], 1
    )


def test_compositing_and_cropping():
    rgb, mask, background, box = (
        pictures(0, 4, 3, 32, 32),
        pictures(1, 4, 1, 32, 32),
        pictures(2, 4, 3, 64, 64),
        boxes(4),
    )
    here, here_mask = composite(rgb, mask, box, background)
    there, there_mask = composite(rgb.cuda(), mask.cuda(), box.cuda(), background.cuda())
    assert (here - there.cpu()).abs().max() < 1e-5 and (here_mask - there_mask.cpu()).abs().max() < 1e-5
    crops = resample(background, box, 32, 32), resample(background.cuda(), box.cuda(), 32, 32).cpu()
    assert (crops[0] - crops[1]).abs().max() < 1e-5


@pytest.mark.parametrize("error", [mpjpe, n_mpjpe, pa_mpjpe])
def test_pose_errors(error):
    a, b = (500 * (pictures(seed, 256, 17, 3) - 0.5) for seed in (0, 1))
    assert (error(a, b) - error(a.cuda(), b.cuda()).cpu()).abs().max() < 1e-2  # mm


@pytest.mark.parametrize("size", ["studio", "paper"])
def test_a_network_and_the_gradient_through_all_of_it(size):
    shape = SHAPE if size == "studio" else preset("paper", frame_size=128)
    torch.manual_seed(0)
    here = Disentangled(shape)
    here.add_regressor()
    here.eval().requires_grad_(False)
    there = Disentangled(shape)
    there.add_regressor()
    there.load_state_dict(here.state_dict())
    there = there.cuda().eval().requires_grad_(False)
    frames, background = (pictures(seed, 2, 3, shape.frame_size, shape.frame_size) for seed in (0, 1))
    found = []
    for network, device in ((here, "cpu"), (there, "cuda")):
        codes = network.encode(frames.to(device))
        canvas = network.canvas(codes, background.to(device))
        appearance = (codes.appearance + 0.1).requires_grad_(True)
        pose = network.predict(network.paint(appearance, canvas))
        (gradient,) = torch.autograd.grad(pose.square().sum(), appearance)
        found.append((pose.detach().cpu(), gradient.cpu()))
    scale = found[0][0].abs().max()
    assert (found[0][0] - found[1][0]).abs().max() < 1e-3 * scale
    assert torch.cosine_similarity(found[0][1].flatten(), found[1][1].flatten(), dim=0) > 0.999


def test_the_picture_loss_and_its_gradient():
    frames, background = pictures(0, 4, 3, 64, 64), pictures(1, 4, 3, 64, 64)
    found = []
    for device in ("cpu", "cuda"):
        synthesis = pictures(2, 4, 3, 64, 64).to(device).requires_grad_(True)
        loss = PictureLoss()(synthesis, frames.to(device), background.to(device)).loss
        loss.backward()
        found.append((loss.item(), synthesis.grad.cpu()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-4)
    assert (found[0][1] - found[1][1]).abs().max() < 1e-3 * found[0][1].abs().max()


@pytest.mark.parametrize("paints", ["person", "crop", "nothing"])
def test_an_evaluation_says_what_the_processors_says(tiny_dataset, tmp_path, paints):
    dataset = open_dataset(tiny_dataset)
    save_network(tmp_path / "net.safetensors", lively(paints, dataset), {"method": "nsd"})
    settings = EvaluationSettings(splits=("held-out",), poses=24, pictures=12, draws=10, identity=0)
    found = [
        evaluate(load_network(tmp_path / "net.safetensors", device=device), dataset, settings)["splits"]["held-out"]
        for device in ("cpu", "cuda")
    ]
    for group in found[0]:
        for part, names in (("poses", ("mpjpe", "pa_mpjpe")), ("pictures", ("person_db", "mask_iou", "initial"))):
            for name in names if part in found[0][group] else ():
                here, there = (each[group][part][name]["mean"] for each in found)
                assert there == pytest.approx(here, rel=2e-3), (group, name)


METHODS = ("nsd", "cssl", "drnet", "ugar", "supervised")
WINDOWS = {"aways": 1, "d_near_s": 0.4, "d_far_s": 0.9}


@pytest.mark.parametrize("method", METHODS)
def test_training_starts_alike_and_the_loss_falls(tiny_dataset, tmp_path, method):
    settings = {"images": 640, "batch": 16, "log_every": 1, "warmup": 5, "threads": 4}
    lines = {}
    for device, precision in (("cpu", "float32"), ("cuda", "float32"), ("cuda", "bfloat16")):
        name = f"{device}-{precision}"
        last = settings | {"precision": precision, "images": 16 if device == "cpu" else 640}
        overrides = {"everyday": None} | (WINDOWS if method == "cssl" else {})
        fit(open_dataset(tiny_dataset), tmp_path / name, SHAPE, FitSettings(**last), method=method,
            method_overrides=overrides, device=device)  # fmt: skip
        lines[name] = [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        assert load_network(tmp_path / name).settings.preset == "studio"
    assert lines["cpu-float32"][0]["loss"] == pytest.approx(lines["cuda-float32"][0]["loss"], rel=2e-3)
    for name in ("cuda-float32", "cuda-bfloat16"):
        losses = [line["loss"] for line in lines[name] if "loss" in line]
        assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5]), name
