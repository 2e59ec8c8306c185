"""Two processes that share a batch move the network as one process with the whole batch does."""

import json
import subprocess
import sys

import pytest
import torch

from turncoat.kernels import ConfigError
from turncoat.training import distributed
from turncoat.training.checkpoint import read_tensors
from turncoat.training.data import open_dataset
from turncoat.training.fit import FitSettings, fit
from turncoat.training.networks import preset

SETTINGS = {"images": 16, "batch": 16, "threads": 1, "log_every": 1, "warmup": 1, "precision": "float32", "clip": None}
OVERRIDES = {
    "nsd": {"everyday": None, "cycle_from": 0.0},
    "cssl": {"everyday": None, "cycle_from": 0.0, "aways": 1, "d_near_s": 0.4, "d_far_s": 0.9},
    "drnet": {"everyday": None, "cycle_from": 0.0},
    "ugar": {"everyday": None, "cycle_from": 0.0, "swap": 1.0},
    "supervised": {"everyday": None},
}
SHAPE = {
    "frame_size": 64,
    "crop_size": 32,
    "regressor_hidden": 64,
    "regressor_dropout": 0.0,
}  # dropout is each one's own
WORKER = """
import sys, json
from turncoat.training.data import open_dataset
from turncoat.training.fit import FitSettings, fit
from turncoat.training.networks import preset
folder, out, method, settings, overrides, shape = sys.argv[1:]
fit(open_dataset(folder), out, preset("studio", **json.loads(shape)), FitSettings(**json.loads(settings)),
    method=method, method_overrides=json.loads(overrides), device="cpu")
"""


@pytest.mark.parametrize("method", list(OVERRIDES))
def test_two_processes_give_the_gradients_of_one(tiny_dataset, tmp_path, method):
    """After one step of AdamW its first moments are a tenth of the gradient: they are what is compared."""
    overrides = OVERRIDES[method]
    (tmp_path / "worker.py").write_text(WORKER)
    arguments = [str(tiny_dataset), str(tmp_path / "two"), method, json.dumps(SETTINGS), json.dumps(overrides)]
    arguments.append(json.dumps(SHAPE))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, str(tmp_path / "worker.py"), *arguments], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-3000:]
    shape = preset("studio", **SHAPE)
    one = {"method": method, "method_overrides": overrides, "device": "cpu"}
    fit(open_dataset(tiny_dataset), tmp_path / "one", shape, FitSettings(**SETTINGS), **one)

    alone, _ = read_tensors(tmp_path / "one" / "training.safetensors", "training")
    shared, _ = read_tensors(tmp_path / "two" / "training.safetensors", "training")
    assert alone.keys() == shared.keys()
    moments = [name for name in alone if name.endswith(".exp_avg")]
    assert len(moments) > (30 if method == "supervised" else 50)
    largest = max(alone[name].abs().max().item() for name in moments)
    for name in moments:
        scale = alone[name].abs().max().item() + 1e-4 * largest
        assert (alone[name] - shared[name]).abs().max().item() < 2e-2 * scale, name  # L1 flips signs
    for name in alone:
        if "running" in name and name.startswith("network."):
            assert torch.allclose(alone[name], shared[name], rtol=1e-4, atol=1e-5), name
    lines = [(tmp_path / kind / "log.jsonl").read_text().splitlines() for kind in ("one", "two")]
    first, second = (json.loads(part[0]) for part in lines)
    assert first["loss"] == pytest.approx(second["loss"], rel=1e-4)


def test_alone_nothing_is_shared():
    values = torch.randn(3, 2, requires_grad=True)
    assert distributed.gather(values) is values and distributed.world() == 1 and not distributed.active()
    assert distributed.share(16, 4) == slice(0, 16)


def test_groups_that_cannot_be_shared_evenly_are_refused(monkeypatch):
    monkeypatch.setattr(distributed, "world", lambda: 3)
    with pytest.raises(ConfigError, match="4 groups cannot be shared by 3 processes; use a multiple of 12 frames"):
        distributed.share(16, 4)
