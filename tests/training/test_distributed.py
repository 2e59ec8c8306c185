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
from torch import distributed
from turncoat.training.data import open_dataset
from turncoat.training.fit import FitSettings, fit
from turncoat.training.networks import preset
folder, out, settings, overrides, shape = sys.argv[1:]
if "nsd" in overrides:  # all in one group; else training joins one itself
    distributed.init_process_group("gloo")
for method, own in json.loads(overrides).items():
    fit(open_dataset(folder), f"{out}/{method}", preset("studio", **json.loads(shape)),
        FitSettings(**json.loads(settings)), method=method, method_overrides=own, device="cpu")
assert distributed.is_initialized() == ("nsd" in overrides)
if distributed.is_initialized():
    distributed.destroy_process_group()
"""


@pytest.fixture(scope="module")
def shared_by_two(tiny_dataset, tmp_path_factory):
    """Folder of all methods' runs, each made by two processes. These start only twice, as that takes long."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "worker.py").write_text(WORKER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    alone = {name: OVERRIDES[name] for name in ("supervised",)}
    for overrides in (alone, {name: own for name, own in OVERRIDES.items() if name not in alone}):
        arguments = [str(tiny_dataset), str(folder), *(json.dumps(one) for one in (SETTINGS, overrides, SHAPE))]
        done = subprocess.run(
            [*command, str(folder / "worker.py"), *arguments], capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize("method", list(OVERRIDES))
def test_two_processes_give_the_gradients_of_one(shared_by_two, tiny_dataset, tmp_path, method):
    """After one step of AdamW its first moments are a tenth of the gradient: they are what is compared."""
    overrides = OVERRIDES[method]
    shape = preset("studio", **SHAPE)
    one = {"method": method, "method_overrides": overrides, "device": "cpu"}
    fit(open_dataset(tiny_dataset), tmp_path / "one", shape, FitSettings(**SETTINGS), **one)

    alone, _ = read_tensors(tmp_path / "one" / "training.safetensors", "training")
    shared, _ = read_tensors(shared_by_two / method / "training.safetensors", "training")
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
    lines = [(run / "log.jsonl").read_text().splitlines() for run in (tmp_path / "one", shared_by_two / method)]
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
