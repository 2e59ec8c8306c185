"""An attack on a GPU composes and measures with the project's own kernels, and finds what it finds without them.

Where there is no GPU the same kernels run on the processor, launched by the same code.
"""

from collections import Counter

import pytest
import torch

from fixtures.emulated import launcher as emulated
from fixtures.lively import lively
from turncoat.engine.attack.appearance import admit_codes, attack_codes
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.verification import draw_sample
from turncoat.kernels.cuda import launch as launching
from turncoat.kernels.cuda import use_launcher
from turncoat.training.data import open_dataset

ITERATIONS = 3
SETTINGS = AttackSettings(iterations=ITERATIONS, precision="float32", threshold_mm=1e4)


def attack(dataset, device):
    data = open_dataset(dataset)
    network = lively("person", data).to(device)
    pair = Pair(network, network, ("net", "net"), torch.device(device), "float32")
    sample = draw_sample(data, network, 2)
    admitted = admit_codes(pair, sample.frames.to(device), sample.background.to(device))
    return attack_codes(pair, admitted, "paper", 0.3, SETTINGS, None)


def counting(launcher):
    launched: Counter[str] = Counter()

    def run(kernel, *rest):
        launched[kernel.name] += 1
        launcher(kernel, *rest)

    return launched, run


def check(launched, found, plain):
    assert launched["composite"] >= 1, "the canvas of admission"
    # Every step paints once and goes back once; the end is painted again, for its picture and its verification.
    assert launched["paint"] >= ITERATIONS + 1 and launched["paint_rows"] >= ITERATIONS
    assert launched["paint"] >= launched["paint_rows"] >= launched["resample_box"] >= ITERATIONS
    assert launched["resample"] >= ITERATIONS, "the crop of every prediction"
    assert launched["mpjpe"] >= 1 and launched["n_mpjpe"] >= 1 and launched["procrustes"] >= 1
    assert found.columns["iterations"].tolist() == plain.columns["iterations"].tolist()
    assert found.columns["error_final_mm"] == pytest.approx(plain.columns["error_final_mm"], rel=1e-3, abs=0.02)


def test_every_step_runs_on_the_kernels(tiny_dataset):
    plain = attack(tiny_dataset, "cpu")
    launched, run = counting(emulated())
    with use_launcher(run):
        found = attack(tiny_dataset, "cpu")
    check(launched, found, plain)


@pytest.mark.gpu
def test_every_step_runs_on_the_kernels_of_a_gpu(tiny_dataset):
    plain = attack(tiny_dataset, "cpu")
    launched, run = counting(launching._by_cupy)
    with use_launcher(run):
        found = attack(tiny_dataset, "cuda")
    check(launched, found, plain)
