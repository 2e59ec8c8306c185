"""A card says what was measured, on these weights, and nothing about the machine's folders."""

import json
import re

import pytest
import torch

from fixtures.documents import cell, evaluation, label_study
from turncoat.kernels import DataError
from turncoat.training.cards import card_text, cards_in, read_card, run_facts, tensors_hash, tidy, update_card
from turncoat.training.checkpoint import load_network, save_network
from turncoat.training.limits import known_limits
from turncoat.training.networks import Disentangled, preset

SHAPE = preset("studio", frame_size=64, crop_size=32, regressor_hidden=64)
METADATA = {
    "method": "nsd",
    "command": "turncoat train nsd --data /mnt/keep/data-v2 --out=/home/me/runs/nsd --init ../old/nsd.safetensors",
    "images": 1000,
    "training_seconds": 7234.5678,
    "machine": {"processor": "EPYC", "cores": 2},
    "fit": {"images": 1000, "batch": 48, "init": "/mnt/keep/run-nsd", "imagenet": None},
    "regressor": {
        "command": "turncoat fit-regressor ~/runs/nsd --data data",
        "report": {"mpjpe": 67.123456789},
        "seed": 0,
    },
    "labels": {"name": "studio"},
}


@pytest.fixture
def network(tmp_path):
    torch.manual_seed(0)
    net = Disentangled(SHAPE)
    net.add_regressor()
    save_network(tmp_path / "net.safetensors", net.eval(), METADATA)
    return load_network(tmp_path / "net.safetensors")


def strings(value):
    if isinstance(value, dict):
        return [text for name, each in value.items() for text in (*strings(each), name)]
    if isinstance(value, list):
        return [text for each in value for text in strings(each)]
    return [value] if isinstance(value, str) else []


def test_a_card_stands_beside_its_weights_and_says_how_they_came_about(network):
    path = update_card(network, evaluation=evaluation(), labels=label_study())
    card = json.loads(path.read_text())
    assert path == network.path.with_suffix(".json") and card["file"]["sha256"] == network.weights_hash
    assert card["training"]["images"] == 1000 and card["training"]["steps"] == 20 and "Apache-2.0" in card["licence"]
    assert card["training"]["seconds"] == 7234.6 and card["training"]["machine"]["cores"] == 2
    parameters = card["parameters"]
    assert parameters["without_regressor"] == sum(parameters[name] for name in ("detector", "encoder", "decoder"))
    assert card["evaluation"]["splits"]["held-out"]["everyday"]["poses"]["mpjpe"]["mean"] == 70
    assert card["labels"]["table"][0]["labels"] == "all" and card["limits"]


def test_a_card_holds_no_path_of_the_machine(network):
    card = json.loads(update_card(network, evaluation=evaluation()).read_text())
    for text in strings(card):
        assert not re.search(r"(^|[\s=\"'(])(~\w*|[A-Za-z]:|\.\.)?[/\\]\w", text), text
        assert not any(word in text for word in ("/mnt", "/home", "mnt", "../"))
    assert card["training"]["command"] == "turncoat train nsd --data data-v2 --out=nsd --init nsd.safetensors"
    assert card["training"]["settings"]["init"] == "run-nsd"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("--out runs/nsd", "--out runs/nsd"),
        ("--out=/a/b/", "--out=b"),
        ("C:\\Users\\me\\data", "data"),
        ("~me/weights.safetensors x", "weights.safetensors x"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
        ("images/s, and/or 3 / 4", "images/s, and/or 3 / 4"),
        ("'/my/data' \"/more/data\"", "'data' \"data\""),
    ],
)
def test_only_paths_of_the_machine_are_cut_down(written, shown):
    assert tidy(written) == shown


def test_numbers_are_rounded_and_what_is_not_finite_is_null():
    assert tidy({"a": 67.123456789, "b": [float("nan"), 3, True], "c": 1e-6}) == {
        "a": 67.123,
        "b": [None, 3, True],
        "c": 1e-6,
    }


def test_the_text_of_a_card_is_json_with_plain_values_on_one_line():
    value = {"a": {"mean": 1.5, "low": None}, "b": [{"c": "é"}, {}], "d": [], "e": "x"}
    text = card_text(value)
    assert json.loads(text) == value and text.endswith("}\n")
    assert '"a": {"mean": 1.5, "low": null}' in text and card_text({}) == "{}\n"


def test_one_measurement_does_not_push_out_another(network):
    update_card(network, evaluation=evaluation())
    card = read_card(update_card(network, labels=label_study()))
    assert card["evaluation"]["kind"] == "evaluation" and card["labels"]["kind"] == "label study"


def test_what_other_weights_scored_is_dropped_but_a_new_header_is_not_new_weights(network):
    update_card(network, evaluation=evaluation(), run={"seconds": 5.0, "machine": None, "warnings": ["slow"]})
    save_network(network.path, network, METADATA | {"attack_step_size": {"paper": 0.1}})
    same = load_network(network.path)
    assert same.weights_hash != network.weights_hash
    card = read_card(update_card(same))
    assert card["evaluation"] and card["training"]["warnings"] == ["slow"]
    with torch.no_grad():
        next(same.parameters()).add_(1)
    save_network(same.path, same, METADATA)
    other = load_network(same.path)
    assert tensors_hash(other.path) != card["file"]["tensors_sha256"]
    assert read_card(update_card(other))["evaluation"] is None


def test_time_and_warnings_come_from_the_run(tmp_path, network):
    (tmp_path / "run.json").write_text(json.dumps({"kind": "training", "machine": {"cores": 2}}))
    lines = [
        {"step": 100, "images": 4800, "images_per_s": 48.0},
        {"step": 120, "warning": "The mask is empty."},
        {"step": 200, "images": 9600, "images_per_s": 96.0},
        {"step": 220, "warning": "The mask is empty."},
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    facts = run_facts(tmp_path)
    assert facts == {"seconds": 150.0, "machine": {"cores": 2}, "warnings": ["The mask is empty."]}
    network.metadata.pop("training_seconds")
    assert read_card(update_card(network, run=facts))["training"]["seconds"] == 150
    with pytest.raises(DataError, match="not the folder of a training run"):
        run_facts(tmp_path / "nowhere")


def test_limits_follow_from_the_numbers():
    splits = {
        "held-out": {"everyday": cell()},
        "unseen subject": {"everyday": cell(mpjpe=252, mean_pose=194), "acrobatic": cell(mpjpe=150, mean_pose=160)},
        "unseen scene": {"everyday": cell(sequences=4)},
    }
    card = {"network": {"head": "official"}, "evaluation": evaluation(splits), "labels": label_study()}
    limits = " ".join(known_limits(card))
    assert "Unseen subject, everyday: MPJPE 252 mm, worse than the mean pose of all training frames (194 mm)." in limits
    assert "Unseen subject, acrobatic: MPJPE 150 mm, worse than the mean pose of acrobatic training frames" in limits
    assert "mask IoU is 0.83, at least 0.85 was asked" in limits and "MPJPE, share of the mean pose's is 35 %" in limits
    assert "person-pixel PSNR" not in limits, "what holds is no limit"
    assert "measured on 4 sequences" in limits and "by construction" in limits
    assert "tells the pose as well as the pose code does: MPJPE 73 and 70 mm" in limits
    assert "tells the subject, not more than a correct pose does: probes are right in 97 %" in limits


def test_a_network_without_those_faults_has_none_of_those_limits():
    good = cell(mpjpe=50)
    good["pictures"]["mask_iou"]["mean"] = 0.9
    card = {
        "network": {"head": "wide"},
        "evaluation": evaluation({"held-out": {"everyday": good}}, read=0.25),
        "labels": label_study(appearance=150),
    }
    assert [sentence for sentence in known_limits(card) if "photographs" not in sentence] == []
    assert any("no decoder" in sentence for sentence in known_limits({"network": {"paints": "nothing"}}))
    assert any("given box and mask" in sentence for sentence in known_limits({"network": {"paints": "crop"}}))


def test_cards_of_a_folder_come_in_the_order_of_tables(tmp_path):
    for name in ("judge", "cssl", "nsd", "a-new-one"):
        (tmp_path / f"{name}.safetensors").write_bytes(b"")
    for name in ("cssl", "nsd", "nsd-seed1"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"kind": "card", "name": name}))
    (tmp_path / "other.json").write_text("[]")
    found = cards_in(tmp_path)
    assert list(found) == ["nsd", "cssl", "judge", "a-new-one", "nsd-seed1"]
    assert found["judge"] is None and found["nsd-seed1"]["name"] == "nsd-seed1"
    (tmp_path / "nsd.json").write_text("{")
    with pytest.raises(DataError, match=r"nsd.json is not a card"):
        cards_in(tmp_path)
    with pytest.raises(DataError, match="There is no folder"):
        cards_in(tmp_path / "nowhere")
