"""The networks are what methods.md section 1 says, and keep the promises of the two protocols."""

import math

import pytest
import torch

from turncoat.kernels import ConfigError
from turncoat.training.networks import Canvas, Codes, Disentangled, DisentangledNetwork, PoseTarget, preset
from turncoat.training.networks.decoder import OfficialDecoder
from turncoat.training.networks.detector import OfficialDetector
from turncoat.training.networks.encoder import OfficialEncoder
from turncoat.training.networks.layers import bump_window

SMALL = preset("studio", frame_size=64, crop_size=32)


def network(settings=SMALL, regressor=True):
    torch.manual_seed(0)
    net = Disentangled(settings)
    if regressor:
        net.add_regressor()
    for module in net.modules():  # running statistics that are not just zeros and ones
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    torch.nn.init.normal_(net.detector.layers.box.weight, std=0.02)
    return net.eval()


def frames(count=3, size=64, seed=1):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("place", "value"), [((0.0, 0.0), 1.0), ((0.5, 0.0), 0.716), ((0.75, 0.0), 0.277), ((0.9, 0.0), 0.014)]
)
def test_the_bump_window_has_the_official_values(place, value):
    size = 401
    x, y = (round((p + 1) / 2 * (size - 1)) for p in place)
    assert bump_window(size)[y, x].item() == pytest.approx(value, abs=1e-3)


def test_the_bump_window_falls_to_nothing_at_the_border():
    window = bump_window(64, gain=4.0)
    assert window.max() == 1 and window[0].max() == 0 and window[:, -1].max() == 0


def test_the_official_box_starts_centred_at_698():
    torch.manual_seed(0)
    net = Disentangled(preset("paper", frame_size=64)).eval()
    box = net.detect(frames())
    assert box[:, :2].detach().numpy() == pytest.approx(0.2 + 0.8 / (1 + math.exp(-0.5)), abs=1e-6)
    assert box[0, 0].item() == pytest.approx(0.698, abs=5e-4)
    assert box[:, 2:].abs().max() == 0


def test_boxes_stay_in_bounds_whatever_the_layers_say():
    net = network()
    with torch.no_grad():
        net.detector.layers.box.bias.copy_(torch.tensor([50.0, -50.0, 50.0, -50.0]))
    assert net.detect(frames(1))[0].tolist() == pytest.approx([1.0, 0.2, 0.8, -0.8])


@pytest.mark.parametrize("head", ["official", "wide"])
def test_the_studio_network_has_at_most_four_million_parameters(head):
    net = Disentangled(preset("studio", head=head))
    assert 2_000_000 < sum(p.numel() for p in net.parameters()) <= 4_000_000


PAPER_SHAPES = {
    "detector": {
        "body.0.weight": (64, 3, 7, 7),
        "body.11.first.0.weight": (256, 256, 3, 3),
        "body.12.weight": (512, 256, 1, 1),
        "body.15.weight": (128, 512, 5, 5),
        "box.weight": (4, 512),
    },
    "encoder": {
        "stem.0.weight": (64, 3, 7, 7),
        "layer3.5.body.6.weight": (1024, 256, 1, 1),
        "layer4.0.body.0.weight": (256, 1024, 1, 1),
        "layer4.2.body.6.weight": (1024, 256, 1, 1),
        "squeeze.0.weight": (512, 1024, 3, 3),
        "squeeze.0.bias": (512,),
        "head.0.weight": (128, 512, 5, 5),
        "head.2.norm.weight": (128,),
        "head.2.codes.weight": (728, 128),
        "head.2.codes.bias": (728,),
    },
    "decoder": {
        "from_pose.weight": (32768, 600),
        "steps.0.0.weight": (128, 256, 3, 3),
        "steps.2.4.weight": (32, 32, 3, 3),
        "steps.2.4.bias": (32,),
        "out.weight": (4, 32, 1, 1),
    },
}


@pytest.mark.parametrize("part", PAPER_SHAPES)
def test_the_paper_preset_is_the_official_network_layer_by_layer(part):
    settings = preset("paper")
    with torch.device("meta"):
        module = {
            "detector": OfficialDetector,
            "encoder": lambda: OfficialEncoder(settings),
            "decoder": lambda: OfficialDecoder(settings),
        }[part]
        state = {} if part == "detector" else module().state_dict()
    if part == "detector":
        state = OfficialDetector().state_dict()
    for name, shape in PAPER_SHAPES[part].items():
        assert tuple(state[name].shape) == shape, name


def test_the_official_maps_have_the_official_sizes():
    settings = preset("paper")
    sizes = {}
    encoder = OfficialEncoder(settings).eval()
    detector = OfficialDetector().eval()
    decoder = OfficialDecoder(settings).eval()
    for name, module in (
        ("layer3", encoder.layer3),
        ("layer4", encoder.layer4),
        ("squeeze", encoder.squeeze),
        ("head", encoder.head[0]),
    ):
        module.register_forward_hook(lambda _m, _i, out, name=name: sizes.update({name: tuple(out.shape[1:])}))
    detector.body[11].register_forward_hook(lambda _m, _i, out: sizes.update(trunk=tuple(out.shape[1:])))
    detector.body[15].register_forward_hook(lambda _m, _i, out: sizes.update(corner=tuple(out.shape[1:])))
    with torch.no_grad():
        codes = encoder(torch.zeros(1, 3, 128, 128))
        detector(torch.zeros(1, 3, 80, 80))
        features = decoder.features(codes[:, 128:])
        out = decoder(codes[:, :128], features)
    assert sizes == {
        "layer3": (1024, 8, 8),
        "layer4": (1024, 8, 8),
        "squeeze": (512, 6, 6),
        "head": (128, 1, 1),
        "trunk": (256, 8, 8),
        "corner": (128, 2, 2),
    }
    assert codes.shape == (1, 728) and features.shape == (1, 128, 16, 16) and out.shape == (1, 4, 128, 128)


@pytest.mark.parametrize("settings", [SMALL, preset("paper", frame_size=64)], ids=["studio", "paper"])
@pytest.mark.parametrize("head", ["official", "wide"])
def test_a_network_keeps_both_protocols(settings, head):
    net = network(settings.model_copy(update={"head": head, "regressor_hidden": 32}))
    assert isinstance(net, DisentangledNetwork) and isinstance(net, PoseTarget)
    x, background = frames(2), frames(2, seed=2)
    with torch.no_grad():
        codes = net.encode(x)
        canvas = net.canvas(codes, background)
        painted = net.paint(codes.appearance, canvas)
        pose = net.predict(x)
    assert isinstance(codes, Codes) and isinstance(canvas, Canvas)
    assert [tuple(t.shape) for t in codes] == [(2, 128), (2, 600), (2, 4)]
    assert canvas.mask.shape == (2, 1, 64, 64) and canvas.base.shape == painted.shape == (2, 3, 64, 64)
    assert pose.shape == (2, 17, 3) and pose.dtype == torch.float32
    assert painted.min() >= 0 and painted.max() <= 1 and canvas.mask.min() >= 0 and canvas.mask.max() <= 1


def test_painting_the_own_appearance_is_the_synthesis():
    net = network()
    x, background = frames(), frames(seed=2)
    with torch.no_grad():
        codes = net.encode(x)
        painted = net.paint(codes.appearance, net.canvas(codes, background))
        synthesis, _ = net.synthesise(codes.appearance, codes.pose_code, codes.box, background)
    assert torch.allclose(painted, synthesis, atol=1e-6)


def test_another_appearance_changes_neither_mask_nor_background():
    net = network()
    x, background = frames(), frames(seed=2)
    with torch.no_grad():
        codes = net.encode(x)
        canvas = net.canvas(codes, background)
        before = [t.clone() for t in canvas]
        painted = net.paint(codes.appearance + 3.0, canvas)
    assert all(torch.equal(a, b) for a, b in zip(before, canvas, strict=True))
    outside = (canvas.mask == 0).expand_as(painted)
    assert outside.any() and torch.equal(painted[outside], background[outside])


def test_canvases_join_and_split_along_the_batch():
    net = network()
    x, background = frames(4), frames(4, seed=2)
    with torch.no_grad():
        codes = net.encode(x)
        whole = net.canvas(codes, background)
        half = Canvas(*(t[2:] for t in whole))
        painted = net.paint(codes.appearance, whole)
        again = net.paint(codes.appearance[2:], half)
    assert torch.allclose(painted[2:], again, atol=1e-6)


def test_the_gradient_of_a_prediction_reaches_the_appearance_code():
    net = network().requires_grad_(False)
    codes = net.encode(frames())
    canvas = net.canvas(codes, frames(seed=2))
    appearance = codes.appearance.clone().requires_grad_()
    net.predict(net.paint(appearance, canvas)).square().sum().backward()
    assert torch.isfinite(appearance.grad).all() and (appearance.grad.abs().sum(1) > 0).all()


def test_the_pose_code_of_the_official_head_determines_the_appearance_code():
    """methods 1.3: both are affine maps of the same 128 sigmoids, so a linear probe from one to the other is exact."""
    for head, lowest, highest in (("official", 0.999, 1.0001), ("wide", -math.inf, 0.99)):
        net = network(SMALL.model_copy(update={"head": head}), regressor=False)
        generator = torch.Generator().manual_seed(3)
        crops = torch.randn(1000, 3, 32, 32, generator=generator)
        with torch.no_grad():
            codes = net.encoder(crops).double()
        appearance, pose_code = codes[:, :128], codes[:, 128:]
        # A probe with 150 directions of the pose code: enough for 128 sigmoids, too few to fit 750 frames by chance.
        probe = torch.linalg.qr(torch.randn(600, 150, generator=generator).double()).Q
        inputs = torch.cat([pose_code @ probe, torch.ones(1000, 1).double()], dim=1)
        solution = torch.linalg.lstsq(inputs[:750], appearance[:750], driver="gelsd").solution
        residual = (inputs[750:] @ solution - appearance[750:]).square().sum()
        spread = (appearance[750:] - appearance[750:].mean(0)).square().sum()
        assert lowest <= (1 - residual / spread).item() <= highest, head


def test_reduced_precision_answers_in_float32_and_agrees_roughly():
    net = network()
    x = frames()
    with torch.no_grad():
        exact = net.encode(x)
        net.compute_dtype = torch.bfloat16
        rough = net.encode(x)
        pose = net.predict(x)
    assert pose.dtype == torch.float32 and all(t.dtype == torch.float32 for t in rough)
    assert torch.allclose(exact.box, rough.box, atol=0.02)
    assert (exact.pose_code - rough.pose_code).norm() < 0.1 * exact.pose_code.norm()


def test_black_frames_and_bright_ones_are_seen_differently():
    """Colour normalisation lives inside the network: frames in [0, 1] go in as they are."""
    net = network()
    grey = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    with torch.no_grad():
        assert net._normalise(grey).abs().max() < 1e-6
        assert not torch.allclose(net.encode(grey * 0).pose_code, net.encode(grey * 0 + 1).pose_code)


def test_a_network_without_regressor_says_what_to_do():
    net = network(regressor=False)
    assert not net.has_regressor
    with pytest.raises(ConfigError, match="no pose regressor; run `turncoat fit-regressor`"):
        net.predict(frames(1))


@pytest.mark.parametrize("name, size, step", [("frame_size", 100, 32), ("frame_size", 0, 32), ("crop_size", 40, 16)])
def test_sizes_that_the_studio_layers_cannot_take_are_refused(name, size, step):
    with pytest.raises(ConfigError, match=f"The studio layers need a {name} that is a multiple of {step}, not {size}"):
        preset("studio", **{"frame_size": 96, "crop_size": 48, name: size})


def test_an_unknown_preset_or_setting_is_named():
    with pytest.raises(ConfigError, match="no network preset 'huge'; choose one of studio, paper"):
        preset("huge")
    with pytest.raises(ConfigError, match="'wdth' is unknown"):
        preset("studio", wdth=3)
    with pytest.raises(ConfigError, match="head"):
        preset("studio", head="narrow")
