"""What an evaluation measures, what it sets beside each number, and what it leaves out in words."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures.tiny import write_tiny_dataset
from turncoat.kernels import ConfigError
from turncoat.kernels.pose_error import auc, pck
from turncoat.kernels.resample import resample
from turncoat.kernels.skeleton import JOINTS, PCK_JOINTS
from turncoat.training.checkpoint import load_network, save_network
from turncoat.training.data import open_dataset
from turncoat.training.data.tensors import as_float
from turncoat.training.evaluate import LEGEND, EvaluationSettings, evaluate
from turncoat.training.evaluation import bootstrap, clusters_at, picture_errors, pose_errors, share
from turncoat.training.evaluation.pictures import OWN_COLOUR, decibels, iou, own_colours, rectangle
from turncoat.training.evaluation.poses import mean_pose_errors
from turncoat.training.networks import Canvas, Codes, Disentangled, preset
from turncoat.training.targets import TARGETS, check_targets

pytestmark = pytest.mark.usefixtures("quick_probes")

SHAPE = preset("studio", frame_size=64, crop_size=32, regressor_hidden=64)
COUNTS = ("frames", "sequences", "motions")
MEASURED = ("mpjpe", "n_mpjpe", "pa_mpjpe", "pck_150", "auc_150")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "tiny"
    write_tiny_dataset(folder, size=64)
    return open_dataset(folder)


@pytest.fixture(scope="module")
def weights(dataset, tmp_path_factory):
    """Untrained networks whose regressors know the mean pose of the training frames; one paints nothing."""
    folder = tmp_path_factory.mktemp("weights")
    mean = torch.from_numpy(dataset.pose(dataset.select(split="train"))).mean(0)
    for seed, (name, changes) in enumerate(
        {"net": {}, "supervised": {}, "blind": {"paints": "nothing"}, "given": {"paints": "crop"}, "bare": {}}.items()
    ):
        torch.manual_seed(seed)
        net = Disentangled(SHAPE.model_copy(update=changes)).eval()
        if name != "bare":
            regressor = net.add_regressor()
            regressor.pose_mean.copy_(mean)
            regressor.pose_std.fill_(100.0)
        save_network(folder / f"{name}.safetensors", net, {"method": "nsd"})
    return folder


def test_an_evaluation_measures_every_cell(weights, dataset):
    net = load_network(weights / "net.safetensors")
    document = evaluate(net, dataset, EvaluationSettings(pictures=12, batch=16, draws=50))
    assert "train" not in document["splits"] and "held-out" in document["splits"]
    for split, groups in document["splits"].items():
        for group, cell in groups.items():
            rows = dataset.select(split=split, group=group)
            assert cell["poses"]["frames"] == len(rows) and cell["pictures"]["frames"] == min(12, len(rows))
            assert all(cell["poses"][name]["mean"] > 0 for name in MEASURED)
            assert set(cell["actions"]) == set(dataset.column("action")[rows])
            pictures = cell["pictures"]
            assert 0 <= pictures["mask_iou"]["mean"] <= 1 and 0 <= pictures["initial_past"]["mean"] <= 1
            assert pictures["crop_limit_db"]["mean"] > pictures["background_db"]["mean"]
            assert pictures["initial"]["median"] >= 0 and pictures["unpainted"]["median"] >= 0
            assert 0.3 < pictures["rectangle_iou"]["mean"] < 1 and set(cell["joints"]) == set(JOINTS)
            for part in (cell["poses"], *(action["poses"] for action in cell["actions"].values())):
                assert 1 <= part["motions"] <= part["sequences"] <= part["frames"]
            assert cell["poses"]["motions"] == len(set(dataset.column("motion_id")[rows]))
            assert cell["poses"]["sequences"] == len(set(dataset.column("sequence")[rows]))


def test_the_network_stands_beside_two_mean_poses(weights, dataset):
    """That of all training frames flatters everyday frames, which are close to their own group's mean."""
    net = load_network(weights / "net.safetensors")
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


def test_a_dataset_without_training_frames_has_no_mean_pose_of_a_group(weights, dataset, monkeypatch):
    splits = dataset.column("split")
    renamed = np.where(splits == "train", "validation", splits)
    column = dataset.column
    monkeypatch.setattr(dataset, "column", lambda name: renamed if name == "split" else column(name))
    settings = EvaluationSettings(splits=("held-out",), poses=4, pictures=1, draws=5)
    document = evaluate(load_network(weights / "net.safetensors"), dataset, settings)
    poses = document["splits"]["held-out"]["everyday"]["poses"]
    assert poses["group_mean_pose_mm"] is poses["group_mean_pose_ratio"] is None and poses["mean_pose_mm"]["mean"] > 0


class Painted:
    """A network that paints what it is told to and keeps the pictures whose poses it is asked for."""

    def __init__(self, settings, size, rgb, mask):
        self.settings, self.painted, self.shown = settings.model_copy(update={"crop_size": size}), (rgb, mask), []

    def canvas(self, codes, background):
        mask = self.painted[1]
        return Canvas(torch.zeros(len(mask)), mask, background * (1 - mask), codes.box)

    def paint(self, appearance, canvas):
        return (canvas.mask * self.painted[0] + canvas.base).clamp(0, 1)

    def predict(self, frames):
        self.shown.append(frames)
        return torch.zeros(len(frames), 17, 3)

    def parts(self, dataset, rows, frames):
        """The pictures of the parts mask, RGB and box."""
        codes = Codes(torch.zeros(len(rows), 128), torch.zeros(len(rows), 600), WHOLE.expand(len(rows), 4))
        names = list(picture_errors(self, dataset, rows, frames, codes, torch.zeros(len(rows), 17, 3)))
        moved = [name for name in names if name.startswith("initial")]
        assert moved == ["initial", "initial_mask", "initial_rgb", "initial_box"]
        return self.shown[1:4]


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
    assert torch.allclose(decibels(errors, frames, torch.ones(2, 1, 4, 4)), torch.tensor([20.0, 40.0]), atol=1e-2)


def test_a_document_says_what_its_names_mean():
    named = " ".join(f"{names}: {meaning}" for names, meaning in LEGEND.items())
    assert "do not add up" in named and "mean over frames of each frame's PSNR" in named


def test_every_number_of_a_document_is_defined_in_the_docs(weights, dataset):
    page = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()
    settings = EvaluationSettings(splits=("held-out",), poses=4, pictures=2, draws=5)
    cell = evaluate(load_network(weights / "net.safetensors"), dataset, settings)["splits"]["held-out"]["everyday"]
    assert not [
        name for name in {**cell["poses"], **cell["pictures"]} if f"`{name}`" not in page and name not in COUNTS
    ]


def test_a_perfect_painter_scores_what_its_crop_allows(weights, dataset):
    """With the true mask and colours in the crop, mask and picture are as good as cropping lets them be."""
    net = load_network(weights / "net.safetensors")
    rows = dataset.select(split="held-out", group="everyday")[:8]
    frames, masks = as_float(dataset.read(rows)), as_float(dataset.masks(rows))
    codes = net.encode(frames)
    own = own_colours(frames, masks, as_float(dataset.background(rows)))

    def errors(rgb, mask):
        net._decode, net._colours = lambda appearance, features: (rgb, mask), lambda out: rgb
        return picture_errors(net, dataset, rows, frames, codes, net.predict(frames))

    crop = resample(own, codes.box, 32, 32, padding="border")
    perfect = errors(crop, resample(masks, codes.box, 32, 32))
    noise = errors(torch.rand(8, 3, 32, 32), torch.ones(8, 1, 32, 32))
    assert perfect["mask_iou"].mean() > 0.7 > noise["mask_iou"].mean()
    assert perfect["person_db"].mean() > noise["person_db"].mean() + 3
    assert torch.equal(perfect["initial_box"], noise["initial_box"])
    assert perfect["initial_rgb"].mean() == pytest.approx(perfect["initial_box"].mean().item(), rel=0.2)


def test_an_unknown_split_or_a_missing_regressor_is_refused(weights, dataset):
    with pytest.raises(ConfigError, match="no split 'test' in this dataset; it has held-out"):
        evaluate(load_network(weights / "net.safetensors"), dataset, EvaluationSettings(splits=("test",)))
    with pytest.raises(ConfigError, match="no pose regressor"):
        evaluate(load_network(weights / "bare.safetensors"), dataset)


def test_an_interval_draws_whole_sequences():
    values = np.repeat([0.0, 10.0, 20.0, 30.0], 100)
    sequences = np.repeat(["a", "b", "c", "d"], 100)
    result = bootstrap(values, sequences)
    assert result["mean"] == 15 and result["low"] <= 7.5 and result["high"] >= 22.5  # four numbers, not four hundred
    assert result["clustered_by"] == "sequence"
    assert bootstrap(values, sequences, over=np.full(400, 30.0))["mean"] == 0.5
    assert bootstrap(values, np.full(400, "a")) == {"mean": 15.0, "low": None, "high": None, "clustered_by": None}
    assert bootstrap(values, sequences) == result


def test_sequences_that_play_one_clip_are_not_independent(dataset):
    """A number that the clip decides: 25 sequences say no more than their 10 clips."""
    rows = np.arange(len(dataset))
    clip = dataset.column("motion_id")
    values = np.random.default_rng(0).normal(0, 1, 100)[np.unique(clip, return_inverse=True)[1]]
    both = clusters_at(dataset, rows)
    assert both.counts() == {"sequence": 25, "motion_id": 10}
    found, alone = bootstrap(values, both), bootstrap(values, dataset.column("sequence"))
    assert found["clustered_by"] == "motion_id" and found["mean"] == alone["mean"]
    assert found["high"] - found["low"] > 1.2 * (alone["high"] - alone["low"])


def test_a_share_of_nothing_is_not_certainly_nothing():
    result = share(np.zeros(400, dtype=bool), np.repeat(np.arange(10), 40))
    assert result["mean"] == result["low"] == 0 and 0.2 < result["high"] < 0.4  # Wilson's, of ten sequences
    assert share(np.ones(10, dtype=bool), np.arange(10))["low"] < 0.8


def test_every_error_is_the_reference_kernel_s_and_so_is_its_null():
    random = np.random.default_rng(0)
    truth = random.normal(0, 300, (20, 17, 3))
    guess, mean = truth + random.normal(0, 90, truth.shape), truth.mean(0)
    found = pose_errors(torch.from_numpy(guess), torch.from_numpy(truth))
    null = mean_pose_errors(torch.from_numpy(mean), torch.from_numpy(truth))
    assert tuple(found) == MEASURED
    for errors, poses, names in (
        (found, guess, ("pck_150", "auc_150")),
        (null, np.broadcast_to(mean, truth.shape), None),
    ):
        within, under = names or ("mean_pose_pck_150", "mean_pose_auc_150")
        distance = np.linalg.norm(poses - truth, axis=-1)[:, list(PCK_JOINTS)]
        assert np.allclose(errors[within], 100 * (distance < 150).mean(1))
        assert np.allclose(errors[under], np.mean([100 * (distance < mm).mean(1) for mm in range(0, 151, 5)], axis=0))
        assert np.allclose(errors[within], pck(poses, truth, joints=PCK_JOINTS))
        assert np.allclose(errors[under], auc(poses, truth, joints=PCK_JOINTS))
    assert pose_errors(torch.from_numpy(truth), torch.from_numpy(truth))["auc_150"][0] == pytest.approx(3000 / 31)


def test_joints_average_to_the_whole_pose(weights, dataset):
    settings = EvaluationSettings(splits=("held-out",), poses=40, pictures=1, draws=5)
    for cell in evaluate(load_network(weights / "net.safetensors"), dataset, settings)["splits"]["held-out"].values():
        for whole, of_joint in (("mpjpe", "mpjpe"), ("mean_pose_mm", "mean_pose_mm")):
            joints = [joint[of_joint]["mean"] for joint in cell["joints"].values()]
            assert np.mean(joints) == pytest.approx(cell["poses"][whole]["mean"], rel=1e-4)
        assert cell["joints"]["pelvis"]["mean_pose_mm"]["mean"] < 1e-3 < cell["joints"]["left_wrist"]["mpjpe"]["mean"]


def test_a_network_stands_beside_the_supervised_ceiling_frame_by_frame(weights, dataset):
    settings = EvaluationSettings(splits=("held-out",), poses=24, pictures=1, draws=20)
    net, ceiling = (load_network(weights / f"{name}.safetensors") for name in ("net", "supervised"))
    document = evaluate(net, dataset, settings, ceiling=ceiling)
    alone = evaluate(ceiling, dataset, settings)
    assert document["ceiling"]["name"] == "supervised" and alone["ceiling"] is None
    for group, cell in document["splits"]["held-out"].items():
        poses, other = cell["poses"], alone["splits"]["held-out"][group]["poses"]
        assert poses["supervised_mm"]["mean"] == pytest.approx(other["mpjpe"]["mean"], rel=1e-5)
        ratio = poses["mpjpe"]["mean"] / other["mpjpe"]["mean"]
        assert poses["mpjpe_of_supervised"]["mean"] == pytest.approx(ratio, rel=1e-5)
        assert other["mpjpe_of_supervised"] is other["supervised_mm"] is None


def test_a_network_without_a_decoder_has_poses_and_a_sentence_instead_of_pictures(weights, dataset):
    settings = EvaluationSettings(splits=("held-out",), poses=24, pictures=4, draws=5)
    document = evaluate(load_network(weights / "blind.safetensors"), dataset, settings)
    assert any("no decoder" in note for note in document["notes"])
    for cell in document["splits"]["held-out"].values():
        assert "pictures" not in cell and cell["poses"]["frames"] == 24
        assert all("pictures" not in action for action in cell["actions"].values())
    lines = {line["name"]: line for line in document["targets"]}
    assert lines["mask_iou"]["holds"] is None is lines["initial.median"]["measured"]
    assert lines["mean_pose_ratio"]["holds"] is not None


def test_a_network_that_is_given_its_crops_is_given_the_dataset_s(weights, dataset):
    settings = EvaluationSettings(splits=("held-out",), poses=8, pictures=4, draws=5)
    document = evaluate(load_network(weights / "given.safetensors"), dataset, settings)
    pictures = document["splits"]["held-out"]["everyday"]["pictures"]
    assert pictures["mask_iou"]["mean"] > 0.7  # the true mask, wherever it covers any of a pixel
    assert pictures["frames"] == 4


def test_what_was_asked_is_held_against_what_was_measured():
    poses = {"mean_pose_ratio": {"mean": 0.3, "low": 0.28, "high": 0.32}, "mpjpe_of_supervised": None}
    pictures = {"person_db": {"mean": 20.4, "low": 20.0, "high": 20.8}, "initial": {"mean": 43.0, "median": 33.0}}
    lines = {
        line["name"]: line for line in check_targets({"held-out": {"everyday": {"poses": poses, "pictures": pictures}}})
    }
    assert len(lines) == len(TARGETS)
    assert lines["mean_pose_ratio"]["holds"] is True and lines["mean_pose_ratio"]["high"] == 0.32
    assert lines["person_db"]["holds"] is False and lines["initial"]["holds"] is True
    assert lines["initial.median"]["holds"] is False and lines["mpjpe_of_supervised"]["holds"] is None


def test_the_rectangle_of_a_silhouette_is_its_tightest():
    person = torch.zeros(2, 1, 6, 8)
    person[0, 0, 1, 2] = person[0, 0, 4, 6] = 1
    box = torch.zeros(2, 1, 6, 8)
    box[0, 0, 1:5, 2:7] = 1
    assert torch.equal(rectangle(person), box)
    assert torch.allclose(iou(rectangle(person), person), torch.tensor([2 / 20, 0.0]))
