"""Weights on disk come back as they were, and a damaged file is one sentence."""

import json
import stat

import pytest
import torch
from safetensors.torch import save_file

from turncoat.kernels import ConfigError, DataError
from turncoat.training import checkpoint
from turncoat.training.checkpoint import load_network, save_network, shipped_weights
from turncoat.training.networks import Disentangled, preset
from turncoat.training.statistics import AppearanceStatistics, appearance_statistics

SHAPE = preset("studio", frame_size=64, crop_size=32, regressor_hidden=64)


def network(regressor=True):
    torch.manual_seed(0)
    net = Disentangled(SHAPE)
    if regressor:
        net.add_regressor()
        net.regressor.pose_mean.normal_(0, 300)
    return net.eval()


def statistics():
    codes = torch.randn(600, 128, generator=torch.Generator().manual_seed(1))
    return appearance_statistics(codes @ torch.randn(128, 128, generator=torch.Generator().manual_seed(2)) + 5)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    save_network(path, network(), {"method": "nsd", "images": 10}, statistics=statistics())
    return path


def test_a_network_comes_back_as_it_was(file):
    before, after = network(), load_network(file)
    frames = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(before.predict(frames), after.predict(frames))
    assert after.settings == SHAPE and after.metadata == {"method": "nsd", "images": 10}
    assert after.has_regressor and not after.training and len(after.weights_hash) == 64
    assert not any(p.requires_grad for p in after.parameters())
    for ours, theirs in zip(statistics(), after.statistics, strict=True):
        assert torch.equal(torch.as_tensor(ours), torch.as_tensor(theirs))


def test_half_precision_halves_the_file_and_keeps_predictions(file, tmp_path):
    half = tmp_path / "half.safetensors"
    save_network(half, network(), statistics=statistics(), dtype=torch.float16)
    assert half.stat().st_size < 0.56 * file.stat().st_size
    frames = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        exact, rough = load_network(file).predict(frames), load_network(half).predict(frames)
    assert rough.dtype == torch.float32 and (exact - rough).norm(dim=-1).mean() < 5  # mm


def test_saving_a_loaded_network_keeps_its_statistics_and_metadata(file, tmp_path):
    save_network(tmp_path / "copy.safetensors", load_network(file))
    copy = load_network(tmp_path / "copy.safetensors")
    assert copy.metadata["images"] == 10 and torch.equal(copy.statistics.factor, load_network(file).statistics.factor)


def test_others_can_read_what_was_written(file):
    assert stat.S_IMODE(file.stat().st_mode) & 0o044


def test_a_missing_file_names_what_is_shipped(tmp_path):
    with pytest.raises(DataError, match=r"no weights at .*nowhere; give a .safetensors file or a shipped name"):
        load_network(tmp_path / "nowhere")


@pytest.mark.parametrize("keep", [0, 4, 1000, 0.9])
def test_a_truncated_file_is_one_sentence(file, tmp_path, keep):
    data = file.read_bytes()
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(DataError, match=r"cut.safetensors is truncated or not a safetensors file"):
        load_network(cut)


def test_somebody_elses_safetensors_are_refused(tmp_path):
    save_file({"x": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match="has no 'turncoat' header"):
        load_network(tmp_path / "other.safetensors")


def test_weights_of_another_preset_are_refused(file):
    with pytest.raises(ConfigError, match="holds weights of preset 'studio', expected 'paper'"):
        load_network(file, preset="paper")


def test_a_missing_regressor_is_refused_where_it_is_needed(tmp_path):
    save_network(tmp_path / "bare.safetensors", network(regressor=False))
    assert not load_network(tmp_path / "bare.safetensors").has_regressor
    with pytest.raises(ConfigError, match="has no pose regressor; run `turncoat fit-regressor`"):
        load_network(tmp_path / "bare.safetensors", regressor=True)


def rewritten(file, tmp_path, change):
    tensors, header = checkpoint.read_tensors(file, "network")
    change(tensors, header)
    checkpoint.write_tensors(tmp_path / "changed.safetensors", tensors, header)
    return tmp_path / "changed.safetensors"


def test_nan_in_the_weights_is_named(file, tmp_path):
    def damage(tensors, header):
        tensors["decoder.out.bias"][3] = float("nan")

    with pytest.raises(DataError, match=r"'decoder.out.bias' holds NaN or infinity"):
        load_network(rewritten(file, tmp_path, damage))


def test_a_missing_and_an_unknown_tensor_are_named(file, tmp_path):
    with pytest.raises(DataError, match=r"lacks 'decoder.out.bias'"):
        load_network(rewritten(file, tmp_path, lambda tensors, header: tensors.pop("decoder.out.bias")))
    with pytest.raises(DataError, match="unknown 'extra'"):
        load_network(rewritten(file, tmp_path, lambda tensors, header: tensors.update(extra=torch.zeros(2))))


def test_a_tensor_of_another_shape_is_named(file, tmp_path):
    with pytest.raises(DataError, match=r"'decoder.out.bias' has shape \(3,\), expected \(16,\)"):
        load_network(rewritten(file, tmp_path, lambda t, h: t.update({"decoder.out.bias": torch.zeros(3)})))


def test_a_file_of_another_kind_or_format_is_named(file, tmp_path):
    with pytest.raises(DataError, match="is a training file of format 1, expected network"):
        load_network(rewritten(file, tmp_path, lambda t, h: h.update(kind="training")))
    with pytest.raises(DataError, match="is a network file of format 9, expected network of format 1"):
        load_network(rewritten(file, tmp_path, lambda t, h: h.update(format=9)))


def test_nan_is_never_written(tmp_path):
    net = network()
    with torch.no_grad():
        net.decoder.out.bias[0] = float("inf")
    with pytest.raises(DataError, match="NaN or infinite"):
        save_network(tmp_path / "bad.safetensors", net)
    assert not list(tmp_path.iterdir())


def test_statistics_whiten_and_colour_back():
    stats = statistics()
    z = torch.randn(50, 128)
    assert torch.allclose(stats.whiten(stats.colour(z)), z, atol=2e-2)
    assert isinstance(stats, AppearanceStatistics) and torch.equal(stats.factor, stats.factor.tril())
    assert 9 < stats.mean_radius < 13 and stats.mean_radius < stats.radius_p99 < 17


def test_statistics_of_too_few_or_broken_codes_are_refused():
    with pytest.raises(DataError, match="100 appearance codes are too few for a covariance of 128; use at least 256"):
        appearance_statistics(torch.randn(100, 128))
    with pytest.raises(DataError, match="NaN or infinite"):
        appearance_statistics(torch.full((600, 128), float("nan")))
    with pytest.raises(DataError, match="All 600 appearance codes are the same"):
        appearance_statistics(torch.ones(600, 128))


@pytest.mark.parametrize("name", sorted(shipped_weights()))
def test_shipped_weights_are_small_whole_and_described(name):
    path = shipped_weights()[name]
    net = load_network(name, regressor=True)
    card = json.loads(path.with_suffix(".json").read_text())
    assert path.stat().st_size <= 12_000_000 and card["file"]["sha256"] == net.weights_hash
    assert (net.statistics is not None) == net.has_decoder  # of appearance codes that can be painted
    assert card["training"]["command"] and card["evaluation"]["splits"]["held-out"]
    assert card["parameters"]["without_regressor"] <= 4_000_000
