"""ImageNet weights from a file: which ones are taken, and what is said of all others, in torchvision's own words."""

import pytest
import torch
from safetensors.torch import save_file

from turncoat.kernels import DataError
from turncoat.training.networks import preset
from turncoat.training.networks.encoder import OfficialEncoder
from turncoat.training.networks.imagenet import ResNet18Features, load_encoder

BLOCKS = {"resnet18": (2, 2, 2), "resnet34": (3, 4, 6), "resnet50": (3, 4, 6)}


def resnet(model):
    """Tensors under the names and in the shapes of torchvision's state_dict, random. Nobody reads layer4."""
    random, tensors = torch.Generator().manual_seed(0), {}
    small = model in ("resnet18", "resnet34")

    def layer(name, norm, channels_in, channels_out, kernel):
        tensors[f"{name}.weight"] = torch.randn(channels_out, channels_in, kernel, kernel, generator=random)
        tensors[f"{norm}.num_batches_tracked"] = torch.tensor(7)
        for what in ("weight", "bias", "running_mean", "running_var"):
            tensors[f"{norm}.{what}"] = torch.rand(channels_out, generator=random)

    layer("conv1", "bn1", 3, 64, 7)
    channels = 64
    for stage, count in enumerate(BLOCKS[model], start=1):
        planes = 32 * 2**stage
        out = planes if small else 4 * planes
        for block in range(count):
            name = f"layer{stage}.{block}"
            shapes = [(channels, planes, 3), (planes, planes, 3)]
            shapes = shapes if small else [(channels, planes, 1), (planes, planes, 3), (planes, out, 1)]
            for k, shape in enumerate(shapes, start=1):
                layer(f"{name}.conv{k}", f"{name}.bn{k}", *shape)
            if block == 0 and (stage > 1 or not small):
                layer(f"{name}.downsample.0", f"{name}.downsample.1", channels, out, 1)
            channels = out
    return tensors | {"fc.weight": torch.zeros(10, channels), "fc.bias": torch.zeros(10)}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imagenet")

    def write(name, tensors):
        save_file(tensors, folder / f"{name}.safetensors")
        return folder / f"{name}.safetensors"

    for model in BLOCKS:
        write(model, resnet(model))
    return write


@pytest.fixture
def said(file):
    """What is said of a file that is refused, after its path."""

    def refuse(load, path):
        with pytest.raises(DataError) as refused:
            load(path)
        sentence = str(refused.value)
        assert sentence.startswith(f"{path} does not hold the weights of torchvision's ") and "\n" not in sentence
        assert not any(ours in sentence for ours in ("stem", "first", "second", "shortcut", "body"))
        return sentence.removeprefix(f"{path} does not hold the weights of torchvision's ")

    return refuse


def features(path):
    return ResNet18Features().load(path)


def encoder(path):
    official = OfficialEncoder(preset("paper"))
    load_encoder(official, path)
    return official


def test_what_is_asked_for_is_copied_number_by_number(file):
    folder = file("again", resnet("resnet18")).parent
    eighteen, fifty = resnet("resnet18"), resnet("resnet50")
    small, large = features(folder / "resnet18.safetensors"), encoder(folder / "resnet50.safetensors")
    assert torch.equal(small.stem[0].weight, eighteen["conv1.weight"])
    assert torch.equal(small.layer2[0].shortcut[1].running_var, eighteen["layer2.0.downsample.1.running_var"])
    assert torch.equal(small.layer2[1].second[0].weight, eighteen["layer2.1.conv2.weight"])
    assert torch.equal(large.layer3[5].body[6].weight, fifty["layer3.5.conv3.weight"])
    assert torch.equal(large.layer1[0].shortcut[0].weight, fifty["layer1.0.downsample.0.weight"])
    assert torch.equal(large.stem[1].bias, fifty["bn1.bias"])


@pytest.mark.parametrize(
    ("load", "model", "words"),
    [
        (features, "resnet50", "resnet18 (it looks like resnet50): layer1.0.conv1.weight is 64x64x1x1 where 64x64x3x3"),
        (features, "resnet34", "resnet18 (it looks like resnet34): layer1.2 is a block too many; give what"),
        (encoder, "resnet18", "resnet50 (it looks like resnet18): layer1.0.conv1.weight is 64x64x3x3 where 64x64x1x1"),
    ],
)
def test_another_resnet_is_named(file, said, load, model, words):
    path = file("again", resnet("resnet18")).parent / f"{model}.safetensors"
    assert said(load, path).startswith(words)


def test_what_is_wrong_is_one_sentence_under_torchvisions_names(file, said):
    whole = resnet("resnet18")
    without = {name: tensor for name, tensor in whole.items() if name != "layer2.0.downsample.1.bias"}
    assert "resnet18: layer2.0.downsample.1.bias is missing; give what" in said(features, file("without", without))
    only = {name: tensor for name, tensor in whole.items() if not name.startswith("layer")}
    assert said(features, file("beginning", only)).startswith("resnet18: layer1.0.conv1.weight is missing")
    broken = whole | {"bn1.bias": torch.full((64,), torch.nan)}
    assert said(features, file("broken", broken)).startswith("resnet18: bn1.bias holds NaN or infinity")
    prefixed = {f"module.{name}": tensor for name, tensor in whole.items()}
    found = said(features, file("prefixed", prefixed))
    assert f"of its {len(prefixed)} tensors none has a name that is used there, such as conv1.weight" in found
    assert found.endswith("give what safetensors.torch.save_file makes of resnet18().state_dict().")


def test_nothing_is_copied_from_what_is_refused(file):
    torch.manual_seed(0)
    module = ResNet18Features()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(DataError):
        module.load(file("again", resnet("resnet18")).parent / "resnet34.safetensors")
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
