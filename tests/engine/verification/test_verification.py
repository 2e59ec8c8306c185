"""Verification finds what is wrong with a graph, however small, and lets pass what is right."""

import shutil

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.cli import main
from turncoat.engine.runtime import open_session
from turncoat.engine.verification import draw_sample, verify_bundle
from turncoat.engine.verification.attacks import agreement
from turncoat.engine.verification.verify import source_of
from turncoat.export.bundle import open_bundle
from turncoat.kernels import ConfigError
from turncoat.kernels.files import content_hash, write_json
from turncoat.training.checkpoint import load_network
from turncoat.training.data import open_dataset

ORT = "onnxruntime-cpu"


@pytest.fixture
def copied(tiny_bundle, tmp_path):
    return shutil.copytree(tiny_bundle, tmp_path / "bundle")


@pytest.fixture(scope="module")
def original(tiny_bundle):
    return load_network(tiny_bundle.parent / "network.safetensors")


def changed(folder, graph, change):
    """Change a graph as an exporter with a mistake would have written it, and let the manifest agree."""
    path = folder / f"{graph}.onnx"
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)
    bundle = open_bundle_unchecked(folder)
    info = bundle.info
    info["files"][path.name] = {"sha256": content_hash(path), "bytes": path.stat().st_size}
    write_json(folder / "bundle.json", info)
    return open_bundle(folder)


def open_bundle_unchecked(folder):
    import json

    from turncoat.export.bundle import Bundle

    return Bundle(folder, json.loads((folder / "bundle.json").read_text()))


def verdict(bundle, network, dataset, backend=ORT, frames=24, **options):
    data = open_dataset(dataset)
    return verify_bundle(
        bundle,
        network,
        [backend],
        lambda name: open_session(bundle, backend=name, threads=1),
        draw_sample(data, network, frames),
        **options,
    )[backend]


def test_a_right_bundle_passes_and_says_so_in_its_manifest(copied, original, tiny_dataset):
    bundle = open_bundle(copied)
    found = verdict(bundle, original, tiny_dataset)
    assert found.passed, found.reasons
    graphs = {f"{check.graph}-b{check.rung}" if check.rung else check.graph for check in found.checks}
    assert graphs == set(bundle.graphs)
    assert {check.where for check in found.checks if check.graph == "attack"} == {"clean", "attacked"}
    recorded = open_bundle(copied).info["parity"][ORT]
    assert recorded["passed"] and recorded["frames"] == 24
    assert recorded["worst"]["attack gradient"]["cosine_median"] > 0.9999


def one_weight(model):
    """A single number of one convolution of the encoder is another."""
    convolution = [node for node in model.graph.node if node.op_type == "Conv" and len(node.input) == 3][-1]
    tensor = next(t for t in model.graph.initializer if t.name == convolution.input[1])
    values = numpy_helper.to_array(tensor).copy()
    values.flat[0] += 0.05
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def nearest(model):
    """Positions of the crop are rounded before they are turned into weights: the nearest pixel instead of two."""
    made = {name: node for node in model.graph.node for name in node.output}
    distances = [made[node.input[0]] for node in model.graph.node if node.op_type == "Abs"]
    assert distances
    for number, node in enumerate(distances):
        assert node.op_type == "Sub"
        rounded = helper.make_node("Round", [node.input[0]], [f"rounded{number}"])
        node.input[0] = f"rounded{number}"
        nodes = list(model.graph.node)
        place = next(i for i, other in enumerate(nodes) if other.output == node.output)
        model.graph.node.insert(place, rounded)


def swapped_joints(model):
    """Two joints of the pose have changed places."""
    for node in model.graph.node:
        node.output[:] = ["unswapped" if name == "pose" else name for name in node.output]
    order = np.arange(17)
    order[[12, 15]] = [15, 12]
    model.graph.initializer.append(numpy_helper.from_array(order, "order"))
    model.graph.node.append(helper.make_node("Gather", ["unswapped", "order"], ["pose"], axis=1))


@pytest.mark.parametrize("mistake", [one_weight, nearest, swapped_joints])
@pytest.mark.parametrize("graph", ["predict", "attack-b2"])
def test_mistakes_of_an_exporter_are_caught(copied, original, tiny_dataset, mistake, graph):
    found = verdict(changed(copied, graph, mistake), original, tiny_dataset)
    assert not found.passed
    failed = {f"{check.graph}-b{check.rung}" if check.rung else check.graph for check in found.checks if check.failed}
    assert failed == {graph}
    assert not open_bundle(copied).info["parity"][ORT]["passed"]


def test_a_gradient_that_points_downhill_is_caught(copied, original, tiny_dataset):
    def negated(model):
        for node in model.graph.node:
            node.output[:] = ["uphill" if name == "gradient" else name for name in node.output]
        model.graph.node.append(helper.make_node("Neg", ["uphill"], ["gradient"]))

    found = verdict(changed(copied, "attack-b1", negated), original, tiny_dataset)
    assert {(check.graph, check.output) for check in found.checks if check.failed} == {("attack", "gradient")}


def test_a_backend_that_cannot_answer_has_failed_with_its_reason(copied, original, tiny_dataset):
    def endless(model):
        del model.graph.node[3:]

    found = verdict(changed(copied, "predict", endless), original, tiny_dataset)
    assert not found.passed and len(found.reasons) == 1


def test_other_weights_are_not_what_a_bundle_is_compared_with(tiny_bundle):
    bundle = open_bundle(tiny_bundle)
    network, origin = source_of(bundle, str(tiny_bundle.parent / "network.safetensors"))
    assert origin == "the original weights" and network.weights_hash == bundle.weights_hash
    with pytest.raises(ConfigError, match="are not the weights that"):
        source_of(bundle, "nsd")
    assert "own copy" in source_of(bundle)[1]


def test_half_precision_is_judged_by_its_attacks(tiny_bundle_half, original, tiny_dataset, tmp_path):
    bundle = open_bundle(shutil.copytree(tiny_bundle_half, tmp_path / "half"))
    sample = draw_sample(open_dataset(tiny_dataset), original, 8)
    found = verdict(bundle, original, tiny_dataset, attack_sample=sample, iterations=5)
    assert found.precision == "float16" and set(found.attack) == {"paper", "natural"}
    for facts in found.attack.values():
        assert facts["samples"] <= 8 and facts["low"] <= facts["difference"] <= facts["high"]


class Block:
    def __init__(self, fooled, first=None):
        self.outcome = [Outcome.FOOLED if one else Outcome.USED_UP for one in fooled]
        count = len(self.outcome)
        self.columns = {"iterations": np.full(count, 7), "confirmed_first": first or [None] * count}


def test_attacks_agree_within_what_their_number_of_frames_can_tell():
    random = np.random.default_rng(0)
    fooled = random.random(200) < 0.4
    assert agreement("paper", Block(fooled), Block(fooled)).agrees
    nearly = fooled.copy()
    nearly[:2] = ~nearly[:2]
    assert agreement("paper", Block(fooled), Block(nearly)).agrees
    fewer = fooled & (random.random(200) < 0.6)
    found = agreement("paper", Block(fooled), Block(fewer))
    assert not found.agrees and found.difference < 0 and found.iterations_ratio == 1


def test_claims_that_float32_does_not_confirm_are_counted():
    found = agreement("paper", Block([True] * 4), Block([True] * 4, [True, True, False, None]))
    assert found.confirmed_first == pytest.approx(2 / 3)
    assert agreement("paper", Block([True]), Block([False])).confirmed_first is None


def test_float64_agrees_with_itself(original, tiny_dataset):
    from turncoat.engine.verification.truth import truth_of

    sample = draw_sample(open_dataset(tiny_dataset), original, 4)
    truth = truth_of(original, sample)
    assert {graph for graph, _ in truth.answers} == {
        "encode", "predict", "target", "canvas", "paint", "decode", "decode-vjp", "attack",
    }  # fmt: skip
    assert all(tensor.dtype == torch.float64 for found in truth.answers.values() for tensor in found.values())
    moved = (truth.appearance["attacked"] - truth.appearance["clean"]).norm(dim=1) / truth.appearance["clean"].norm(
        dim=1
    )
    assert float(moved.min()) > 0.1


def test_the_command_shows_the_worst_writes_a_page_and_says_no_by_its_exit_code(
    copied, original, tiny_dataset, tmp_path, capsys
):
    command = ["verify", str(copied), "--data", str(tiny_dataset), "--weights", str(original.path)]
    command += ["--frames", "4", "--attack-frames", "4", "--backend", "torch-float32", "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as stop:
        main(command)
    shown = capsys.readouterr().out
    assert not stop.value.code and "attack gradient" in shown and "attack pose, mm" in shown
    assert "clean" not in shown.split("Errors against")[0], "only the worst is shown"
    page = (tmp_path / "out" / "verify.md").read_text()
    assert "## torch-float32 (float32): passed" in page and "| attack gradient |" in page
    asked = f"turncoat verify bundle --data {tiny_dataset.name} --frames 4 --attack-frames 4 --backend torch-float32"
    assert f"- command: `{asked}`" in page and str(tmp_path) not in page
    with pytest.raises(SystemExit) as stop:
        main([*command, "--details", "--backend", ORT])
    assert "attack-b2" in capsys.readouterr().out
    changed(copied, "predict", swapped_joints)
    with pytest.raises(SystemExit) as stop:
        main([*command[:-4], "--backend", ORT, "--out", str(tmp_path / "out")])
    assert stop.value.code == 1 and "failed" in capsys.readouterr().out
    assert "predict pose, mm (failed)" in (tmp_path / "out" / "verify.md").read_text()


def test_what_cannot_be_verified_is_said_before_anything_is_computed(copied, tiny_dataset, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    before = (copied / "bundle.json").read_bytes()
    command = ["verify", str(copied), "--data", str(tiny_dataset), "--device", "cpu"]
    for more, message in [
        (["--backend", "tensorrt-rtx"], "'tensorrt-rtx' cannot run: it needs a GPU"),
        (["--backend", "abacus"], "'abacus' cannot run: there is none of that name; choose from torch-float32"),
        (["--out", str(tmp_path / "file")], "is a file, not a folder"),
    ]:
        with pytest.raises(SystemExit) as stop:
            main([*command, *more])
        out, err = capsys.readouterr()
        assert stop.value.code == 2 and out == "" and message in err and err.count("\n") == 1
    assert (copied / "bundle.json").read_bytes() == before and (tmp_path / "file").read_text() == "mine"


def test_every_batch_size_sees_every_frame_unless_a_quick_look_is_asked_for(copied, original, tiny_dataset):
    bundle = open_bundle(copied)
    for options, seen in (({}, {1: 6, 2: 6}), ({"quick": True}, {1: 4, 2: 6})):
        found = verdict(bundle, original, tiny_dataset, frames=6, **options)
        assert {check.rung: check.samples for check in found.checks if check.graph == "attack"} == seen
