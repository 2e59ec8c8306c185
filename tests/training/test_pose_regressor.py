"""The regressor learns from labels of real frames and nothing else changes."""

import numpy as np
import pytest
import torch

from fixtures.tiny import write_tiny_dataset
from turncoat.kernels import ConfigError, DataError
from turncoat.training.checkpoint import load_network, save_network
from turncoat.training.data import open_dataset
from turncoat.training.encoding import encode_rows
from turncoat.training.networks import Disentangled, PoseRegressor, preset
from turncoat.training.pose_regressor import RegressorSettings, fit_regressor, train_regressor

SHAPE = preset("studio", frame_size=64, crop_size=32, regressor_hidden=64)
QUICK = RegressorSettings(steps=60, batch=64, threads=1, hidden=64)


def problem(count=600):
    g = torch.Generator().manual_seed(0)
    codes = torch.randn(count, 600, generator=g) * torch.rand(600, generator=g) + 3
    poses = 100 * (codes - 3) @ torch.randn(600, 51, generator=g)
    poses = poses.view(-1, 17, 3)
    return codes, poses - poses[:, :1]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Twice the usual instants: a covariance of 128 numbers needs its frames."""
    folder = tmp_path_factory.mktemp("data") / "tiny"
    write_tiny_dataset(folder, size=64, instants=12)
    return open_dataset(folder)


@pytest.fixture(scope="module")
def fitted(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("regressor")
    torch.manual_seed(0)
    save_network(folder / "bare.safetensors", Disentangled(SHAPE), {"method": "nsd"})
    report = fit_regressor(dataset, folder / "bare.safetensors", folder / "net.safetensors", QUICK)
    return folder, report


@pytest.mark.parametrize("variant", ["standardised", "literal"])
def test_a_regressor_learns_a_linear_map(variant):
    codes, poses = problem()
    settings = RegressorSettings(steps=200, batch=128, threads=1)
    shape = SHAPE.model_copy(update={"regressor": variant, "regressor_hidden": 128, "regressor_dropout": 0.0})
    regressor = train_regressor(shape, codes, poses, settings)
    error = (regressor(codes) - poses).norm(dim=-1).mean()
    assert error < 0.5 * (poses.mean(0) - poses).norm(dim=-1).mean()
    assert not regressor.training and regressor.pose_mean.shape == (17, 3)
    assert torch.equal(regressor.pose_std[0], torch.ones(3))  # the root does not move


def test_the_same_seed_gives_the_same_regressor():
    codes, poses = problem(200)
    settings = RegressorSettings(steps=5, batch=32, threads=1)
    torch.manual_seed(1)
    first = train_regressor(SHAPE, codes, poses, settings).state_dict()
    torch.manual_seed(2)
    second = train_regressor(SHAPE, codes, poses, settings).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_default_variant_does_not_explode_on_a_rare_frame():
    """A unit that never fires in training has no variance; the official order divides by it."""
    codes, poses = problem()
    rare = codes[:50] + 12 * codes.std(0) * torch.sign(torch.randn(50, 600, generator=torch.Generator().manual_seed(3)))
    size = {}
    for variant in ("standardised", "literal"):
        shape = SHAPE.model_copy(update={"regressor": variant, "regressor_hidden": 128})
        regressor = train_regressor(shape, codes, poses, RegressorSettings(steps=200, batch=128, threads=1))
        size[variant] = regressor(rare).norm(dim=-1).amax().item()
    assert size["standardised"] < size["literal"]


def test_the_literal_regressor_is_the_official_one():
    shape = preset("paper", regressor="literal")
    with torch.device("meta"):
        layers = PoseRegressor(shape).layers
    kinds = [type(layer).__name__ for layer in layers]
    assert kinds == ["Linear", "ReLU", "BatchNorm1d", "Dropout"] * 2 + ["Linear"]
    assert (layers[0].in_features, layers[0].out_features, layers[4].out_features, layers[8].out_features) == (
        600,
        2048,
        2048,
        51,
    )
    assert layers[2].eps == 1e-5 and layers[3].p == layers[7].p == 0.5


def test_one_hidden_layer_is_an_option_and_comes_back_from_its_file(fitted, dataset, tmp_path):
    folder, _ = fitted
    out = tmp_path / "one.safetensors"
    fit_regressor(dataset, folder / "bare.safetensors", out, QUICK.model_copy(update={"steps": 2, "layers": 1}))
    one, two = load_network(out, regressor=True), load_network(folder / "net.safetensors", regressor=True)
    assert [sum(isinstance(layer, torch.nn.Linear) for layer in n.regressor.layers) for n in (one, two)] == [2, 3]
    assert one.settings.regressor_layers == 1 and one.metadata["regressor"]["layers"] == 1


def test_fitting_changes_only_the_regressor(fitted):
    folder, _ = fitted
    bare, net = load_network(folder / "bare.safetensors"), load_network(folder / "net.safetensors", regressor=True)
    for name, value in bare.state_dict().items():
        assert torch.equal(value, net.state_dict()[name]), name
    assert net.statistics.mean.shape == (128,) and net.metadata["method"] == "nsd"


def test_the_report_sets_the_codes_beside_the_mean_pose(fitted, dataset):
    _, report = fitted
    assert report.labelled_frames == len(dataset.select(split="train")) and report.checked_on == "validation"
    assert 0 < report.mpjpe_training < report.mpjpe_mean_pose and report.mpjpe_from_appearance > 0
    everyday = dataset.pose(dataset.select(split="train", group="everyday")).mean(0)
    truth = dataset.pose(dataset.select(split="validation", group="everyday"))
    expected = np.linalg.norm(truth - everyday, axis=-1).mean()
    assert report.mpjpe_group_mean_pose == pytest.approx(expected, rel=1e-4) != report.mpjpe_mean_pose


def test_labels_of_some_subjects_or_a_share_of_them(fitted, dataset, tmp_path):
    folder, _ = fitted
    settings = QUICK.model_copy(update={"steps": 2, "subjects": ("S1",), "fraction": 0.5, "batch": 8})
    report = fit_regressor(dataset, folder / "bare.safetensors", tmp_path / "net.safetensors", settings)
    assert report.labelled_frames == round(0.5 * len(dataset.select(split="train", subject="S1")))


def test_a_batch_is_no_larger_than_the_labels_there_are(monkeypatch):
    codes, poses = problem(20)
    sizes, drawn = [], torch.randint
    monkeypatch.setattr(torch, "randint", lambda count, size: (sizes.append((count, *size)), drawn(count, size))[1])
    train_regressor(SHAPE, codes, poses, RegressorSettings(steps=3, batch=64, threads=1))
    assert sizes == [(20, 20)] * 3


def test_an_unknown_subject_and_too_few_labels_are_refused(fitted, dataset, tmp_path):
    folder, _ = fitted
    source = folder / "bare.safetensors"
    with pytest.raises(DataError, match="S9"):
        fit_regressor(dataset, source, tmp_path / "n.safetensors", QUICK.model_copy(update={"subjects": ("S9",)}))
    with pytest.raises(ConfigError, match="3 labelled frames are too few, a regressor needs 8"):
        fit_regressor(dataset, source, tmp_path / "n.safetensors", QUICK.model_copy(update={"fraction": 0.01}))
    assert not list(tmp_path.iterdir())


def test_a_code_that_is_not_finite_is_refused(dataset):
    network = Disentangled(SHAPE).eval()
    encode = network.encode
    for broken in (float("nan"), float("inf")):

        def wrecked(frames, broken=broken):
            codes = encode(frames)
            codes.pose_code[-1, 7] = broken
            return codes

        network.encode = wrecked
        with pytest.raises(DataError, match="A code is NaN or infinite, so the network's weights are damaged"):
            encode_rows(network, dataset, np.arange(6), batch=4)


def test_what_is_there_already_is_overwritten_only_on_request(fitted, dataset, tmp_path):
    folder, _ = fitted
    quick = QUICK.model_copy(update={"steps": 1, "fraction": 0.5})
    out = tmp_path / "net.safetensors"
    out.write_text("mine")
    with pytest.raises(ConfigError, match="is there already; choose another name, or overwrite it"):
        fit_regressor(dataset, folder / "bare.safetensors", out, quick)
    assert out.read_text() == "mine"
    fit_regressor(dataset, folder / "bare.safetensors", out, quick, overwrite=True)
    assert load_network(out, regressor=True).has_regressor


def test_what_can_be_refused_is_refused_before_the_work(fitted, dataset, tmp_path):
    folder, _ = fitted
    (tmp_path / "file").write_text("")
    calls = []
    for out, changes in (
        (tmp_path / "file" / "n.safetensors", {}),
        (tmp_path / "nowhere" / "n.safetensors", {}),
        (tmp_path, {}),
        (tmp_path / "n.safetensors", {"subjects": ("S9",)}),
        (tmp_path / "n.safetensors", {"fraction": 0.01}),
    ):
        with pytest.raises((ConfigError, DataError)):
            fit_regressor(
                dataset,
                folder / "bare.safetensors",
                out,
                QUICK.model_copy(update=changes),
                progress=lambda *a, **k: calls.append(a),
            )
    assert not calls


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_network_that_was_trained_on_labels_keeps_its_own_regressor(dataset, tmp_path, overwrite):
    """Its encoder was trained together with its regressor: another one in its place is no ceiling and no judge."""
    ceiling = Disentangled(SHAPE.model_copy(update={"paints": "nothing"}))
    ceiling.add_regressor()
    save_network(tmp_path / "ceiling.safetensors", ceiling, {"method": "supervised"})
    out = tmp_path / ("ceiling.safetensors" if overwrite else "out.safetensors")
    before = (tmp_path / "ceiling.safetensors").read_bytes()
    with pytest.raises(
        ConfigError, match=r"ceiling.safetensors was trained on labels \(method 'supervised'\) and keeps"
    ):
        fit_regressor(dataset, tmp_path / "ceiling.safetensors", out, QUICK, overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["ceiling.safetensors"]
    assert (tmp_path / "ceiling.safetensors").read_bytes() == before


def test_a_regressor_may_be_fitted_anew_on_a_network_without_labels(fitted, dataset, tmp_path):
    folder, _ = fitted
    quick = QUICK.model_copy(update={"steps": 1})
    fit_regressor(dataset, folder / "net.safetensors", tmp_path / "again.safetensors", quick)
    assert load_network(tmp_path / "again.safetensors", regressor=True).metadata["regressor"]["steps"] == 1


def test_frames_of_another_size_are_refused(tiny_dataset, tmp_path):
    save_network(tmp_path / "big.safetensors", Disentangled(preset("studio")))
    with pytest.raises(DataError, match="64 pixels wide and the network's 128"):
        fit_regressor(open_dataset(tiny_dataset), tmp_path / "big.safetensors", tmp_path / "out.safetensors", QUICK)
