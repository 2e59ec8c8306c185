"""The regressor learns from labels of real frames and nothing else changes."""

import numpy as np
import pytest
import torch

from fixtures.tiny import write_tiny_dataset
from turncoat.kernels import ConfigError, DataError
from turncoat.kernels.resample import resample
from turncoat.training.checkpoint import load_network, save_network
from turncoat.training.data import open_dataset
from turncoat.training.encoding import encode_rows
from turncoat.training.evaluate import (
    LEGEND,
    OWN_COLOUR,
    EvaluationSettings,
    _decibels,
    _own_colours,
    _pictures,
    bootstrap,
    evaluate,
)
from turncoat.training.methods.nsd import as_float
from turncoat.training.networks import Codes, Disentangled, PoseRegressor, preset
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
    write_tiny_dataset(folder, instants=12)
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


def test_labels_of_some_subjects_or_a_share_of_them(fitted, dataset, tmp_path):
    folder, _ = fitted
    settings = QUICK.model_copy(update={"steps": 2, "subjects": ("S1",), "fraction": 0.5, "batch": 8})
    report = fit_regressor(dataset, folder / "bare.safetensors", tmp_path / "net.safetensors", settings)
    assert report.labelled_frames == round(0.5 * len(dataset.select(split="train", subject="S1")))


def test_an_unknown_subject_and_too_few_labels_are_refused(fitted, dataset, tmp_path):
    folder, _ = fitted
    source = folder / "bare.safetensors"
    with pytest.raises(DataError, match="S9"):
        fit_regressor(dataset, source, tmp_path / "n.safetensors", QUICK.model_copy(update={"subjects": ("S9",)}))
    with pytest.raises(ConfigError, match="labelled frames are too few for a batch of 64"):
        fit_regressor(dataset, source, tmp_path / "n.safetensors", QUICK.model_copy(update={"fraction": 0.01}))
    assert not list(tmp_path.iterdir())


def test_an_evaluation_measures_every_cell(fitted, dataset):
    folder, _ = fitted
    net = load_network(folder / "net.safetensors")
    document = evaluate(net, dataset, EvaluationSettings(pictures=12, batch=16, draws=50))
    assert "train" not in document["splits"] and "held-out" in document["splits"]
    for split, groups in document["splits"].items():
        for group, cell in groups.items():
            rows = dataset.select(split=split, group=group)
            assert cell["poses"]["frames"] == len(rows) and cell["pictures"]["frames"] == min(12, len(rows))
            assert cell["poses"]["mpjpe"]["mean"] >= cell["poses"]["pa_mpjpe"]["mean"] > 0
            assert set(cell["actions"]) == set(dataset.column("action")[rows])
            pictures = cell["pictures"]
            assert 0 <= pictures["mask_iou"]["mean"] <= 1 and 0 <= pictures["initial_past"]["mean"] <= 1
            assert pictures["crop_limit_db"]["mean"] > pictures["background_db"]["mean"]
            assert pictures["initial"]["median"] >= 0
            for part in (cell["poses"], *(action["poses"] for action in cell["actions"].values())):
                assert 1 <= part["motions"] <= part["sequences"] <= part["frames"]
            assert cell["poses"]["motions"] == len(set(dataset.column("motion_id")[rows]))
            assert cell["poses"]["sequences"] == len(set(dataset.column("sequence")[rows]))


def test_the_network_stands_beside_two_mean_poses(fitted, dataset):
    """That of all training frames flatters everyday frames, which are close to their own group's mean."""
    folder, report = fitted
    net = load_network(folder / "net.safetensors")
    document = evaluate(net, dataset, EvaluationSettings(splits=("held-out",), pictures=1, batch=64, draws=5))
    for group, cell in document["splits"]["held-out"].items():
        poses = cell["poses"]
        truth = dataset.pose(dataset.select(split="held-out", group=group))
        for name, chosen in (("mean_pose", {}), ("group_mean_pose", {"group": group})):
            mean = dataset.pose(dataset.select(split="train", **chosen)).mean(0)
            expected = np.linalg.norm(truth - mean, axis=-1).mean()
            assert poses[f"{name}_mm"]["mean"] == pytest.approx(expected, rel=1e-4)
            assert poses[f"{name}_ratio"]["mean"] == pytest.approx(poses["mpjpe"]["mean"] / expected, rel=1e-4)
        assert poses["group_mean_pose_mm"]["mean"] != pytest.approx(poses["mean_pose_mm"]["mean"], rel=2e-4)
    everyday = dataset.pose(dataset.select(split="train", group="everyday")).mean(0)
    truth = dataset.pose(dataset.select(split="validation", group="everyday"))
    expected = np.linalg.norm(truth - everyday, axis=-1).mean()
    assert report.mpjpe_group_mean_pose == pytest.approx(expected, rel=1e-4) != report.mpjpe_mean_pose


def test_a_dataset_without_training_frames_has_no_mean_pose_of_a_group(fitted, dataset, monkeypatch):
    folder, _ = fitted
    splits = dataset.column("split")
    renamed = np.where(splits == "train", "validation", splits)
    column = dataset.column
    monkeypatch.setattr(dataset, "column", lambda name: renamed if name == "split" else column(name))
    settings = EvaluationSettings(splits=("held-out",), poses=4, pictures=1, draws=5)
    document = evaluate(load_network(folder / "net.safetensors"), dataset, settings)
    poses = document["splits"]["held-out"]["everyday"]["poses"]
    assert poses["group_mean_pose_mm"] is poses["group_mean_pose_ratio"] is None and poses["mean_pose_mm"]["mean"] > 0


class Painted:
    """A network that paints what it is told to and keeps the pictures whose poses it is asked for."""

    def __init__(self, settings, size, rgb, mask):
        self.settings, self.painted, self.shown = settings.model_copy(update={"crop_size": size}), (rgb, mask), []

    def decode(self, appearance, pose_code):
        return self.painted

    def predict(self, frames):
        self.shown.append(frames)
        return torch.zeros(len(frames), 17, 3)

    def parts(self, dataset, rows, frames):
        """The pictures of the parts mask, RGB and box."""
        codes = Codes(torch.zeros(len(rows), 128), torch.zeros(len(rows), 600), WHOLE.expand(len(rows), 4))
        names = list(_pictures(self, dataset, rows, frames, codes, torch.zeros(len(rows), 17, 3)))
        moved = [name for name in names if name.startswith("initial")]
        assert moved == ["initial", "initial_mask", "initial_rgb", "initial_box"]
        return self.shown[1:]


WHOLE = torch.tensor([[1.0, 1.0, 0.0, 0.0]])  # the box that is the frame


@pytest.fixture(scope="module")
def some(dataset):
    rows = dataset.select(split="held-out", group="everyday")[:4]
    return rows, as_float(dataset.read(rows)), as_float(dataset.masks(rows)), as_float(dataset.background(rows))


def test_a_part_with_nothing_wrong_is_the_frame_itself(dataset, some):
    """True mask, whole frame as crop: half-covered edge pixels come out as they are too."""
    rows, frames, mask, _ = some
    masked, _, boxed = Painted(SHAPE, 64, torch.zeros_like(frames), mask).parts(dataset, rows, frames)
    sure = mask >= OWN_COLOUR
    for picture in (masked, boxed):
        assert ((picture - frames).abs() * sure).max() < 0.01
        assert (picture - frames).abs().max() <= OWN_COLOUR + 0.01  # where the person hardly is


def test_the_rgb_part_keeps_nothing_of_the_true_person(dataset, some):
    """Painted in the background's colours the person is gone, at half-covered edge pixels too."""
    rows, frames, mask, background = some
    _, coloured, _ = Painted(SHAPE, 64, background, mask).parts(dataset, rows, frames)
    assert (coloured - background).abs().max() < 0.01 < (frames - background).abs().max()


def test_a_mask_that_is_too_large_shows_a_halo_and_one_that_is_too_small_cuts(dataset, some):
    rows, frames, mask, background = some
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).expand_as(frames)
    outside = (mask == 0).expand_as(frames)
    masked, *_ = Painted(SHAPE, 64, red, torch.ones_like(mask)).parts(dataset, rows, frames)
    assert torch.allclose(masked[outside], red[outside], atol=1e-3)
    inside = (mask == 1).expand_as(frames)
    assert torch.allclose(masked[inside], frames[inside], atol=1e-3)
    half = mask.clone()
    half[..., :32, :] = 0
    masked, *_ = Painted(SHAPE, 64, red, half).parts(dataset, rows, frames)
    assert torch.allclose(masked[..., :32, :], background[..., :32, :], atol=1e-3)


def test_decibels_are_averaged_frame_by_frame():
    frames = torch.zeros(2, 3, 4, 4)
    errors = torch.tensor([0.1, 0.01]).view(2, 1, 1, 1).expand_as(frames)
    assert torch.allclose(_decibels(errors, frames, torch.ones(2, 1, 4, 4)), torch.tensor([20.0, 40.0]), atol=1e-2)


def test_a_document_says_what_its_names_mean():
    named = " ".join(f"{names}: {meaning}" for names, meaning in LEGEND.items())
    assert "do not add up" in named and "mean over frames of each frame's PSNR" in named


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


def test_a_perfect_painter_scores_what_its_crop_allows(fitted, dataset):
    """With the true mask and colours in the crop, mask and picture are as good as cropping lets them be."""
    folder, _ = fitted
    net = load_network(folder / "net.safetensors")
    rows = dataset.select(split="held-out", group="everyday")[:8]
    frames, masks = as_float(dataset.read(rows)), as_float(dataset.masks(rows))
    codes = net.encode(frames)
    own = _own_colours(frames, masks, as_float(dataset.background(rows)))
    net.decode = lambda appearance, pose_code: (
        resample(own, codes.box, 32, 32, padding="border"),
        resample(masks, codes.box, 32, 32),
    )
    perfect = _pictures(net, dataset, rows, frames, codes, net.predict(frames))
    net.decode = lambda appearance, pose_code: (torch.rand(8, 3, 32, 32), torch.ones(8, 1, 32, 32))
    noise = _pictures(net, dataset, rows, frames, codes, net.predict(frames))
    assert perfect["mask_iou"].mean() > 0.7 > noise["mask_iou"].mean()
    assert perfect["person_db"].mean() > noise["person_db"].mean() + 3
    assert torch.equal(perfect["initial_box"], noise["initial_box"])
    assert perfect["initial_rgb"].mean() == pytest.approx(perfect["initial_box"].mean().item(), rel=0.2)


def test_an_unknown_split_or_a_missing_regressor_is_refused(fitted, dataset):
    folder, _ = fitted
    with pytest.raises(ConfigError, match="no split 'test' in this dataset; it has held-out"):
        evaluate(load_network(folder / "net.safetensors"), dataset, EvaluationSettings(splits=("test",)))
    with pytest.raises(ConfigError, match="no pose regressor"):
        evaluate(load_network(folder / "bare.safetensors"), dataset)


def test_frames_of_another_size_are_refused(tiny_dataset, tmp_path):
    save_network(tmp_path / "big.safetensors", Disentangled(preset("studio")))
    with pytest.raises(DataError, match="64 pixels wide and the network's 128"):
        fit_regressor(open_dataset(tiny_dataset), tmp_path / "big.safetensors", tmp_path / "out.safetensors", QUICK)


def test_an_interval_draws_whole_sequences():
    values = np.repeat([0.0, 10.0, 20.0, 30.0], 100)
    sequences = np.repeat(["a", "b", "c", "d"], 100)
    result = bootstrap(values, sequences)
    assert result["mean"] == 15 and result["low"] <= 7.5 and result["high"] >= 22.5  # four numbers, not four hundred
    assert bootstrap(values, sequences, over=np.full(400, 30.0))["mean"] == 0.5
    assert bootstrap(values, np.full(400, "a")) == {"mean": 15.0, "low": None, "high": None}
    assert bootstrap(values, sequences) == result
