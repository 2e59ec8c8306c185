"""The table of kernels: all ways of a case compute the same, and ratios follow the clock."""

import json

import pytest
import torch

from turncoat.engine.cli import main
from turncoat.engine.latency import kernel_report, kernels
from turncoat.engine.latency.kernels import KernelCase, kernel_cases, time_kernels

CPU = torch.device("cpu")


@pytest.fixture
def small(monkeypatch):
    """The same cases at sizes that take no time."""
    made = [
        kernels._paint_case(2, 32, 16, CPU),
        kernels._composite_case(2, 32, 16, CPU),
        kernels._mpjpe_case(50, CPU),
        kernels._procrustes_case(50, CPU),
    ]
    monkeypatch.setattr(kernels, "kernel_cases", lambda device: made)
    return made


def test_all_ways_of_a_case_compute_the_same(small):
    for case in small:
        answers = {name: calls[0]() for name, calls in case.ways.items()}
        ours = answers.pop("turncoat")
        assert answers, case.name
        for name, other in answers.items():
            pairs = zip(ours, other, strict=True) if isinstance(ours, tuple) else [(ours, torch.as_tensor(other))]
            for a, b in pairs:
                scale = float(b.abs().max())
                assert float((a.double() - b.double()).abs().max()) < 2e-4 * scale, (case.name, name)


def test_sizes_are_those_of_the_tables():
    shapes = {(case.name.split(",")[0], case.shape) for case in kernel_cases(CPU)}
    assert ("composite", "32 x 3 x 128 x 128, crop 64") in shapes
    assert ("composite", "8 x 3 x 500 x 500, crop 128") in shapes
    assert ("PA-MPJPE", "100,000 poses") in shapes


def test_ratios_follow_the_clock(monkeypatch):
    now = [0.0]

    def tick():
        now[0] += 1e-9
        return now[0]

    def taking(seconds):
        def call():
            now[0] += seconds

        return call

    monkeypatch.setattr(kernels.time, "perf_counter", tick)
    case = KernelCase("case", "1", 2_000_000, {"turncoat": [taking(1e-3)], "plain PyTorch": [taking(3e-3)]}, most=9)
    times = {one.way: one for one in time_kernels([case], CPU, seconds=1e9)}
    ours, plain = times["turncoat"], times["plain PyTorch"]
    assert ours.calls == 9 and ours.ms == pytest.approx(1, rel=1e-4)
    assert ours.gigabytes_per_s == pytest.approx(2, rel=1e-4)
    assert (
        plain.ratio == pytest.approx(3, rel=1e-4) and plain.ratio_low == pytest.approx(3, rel=1e-4) and ours.ratio == 1
    )
    assert times["copy"].ms < 1e-5 and ours.of_floor < 1e-5, "the copy took none of this clock's time"


def test_the_command_prints_and_writes_a_table(small, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["bench", "kernels", "--device", "cpu", "--seconds", "0.2", "--out", str(tmp_path), "--json"])
    assert not stop.value.code
    shown = json.loads(capsys.readouterr().out)
    assert len(shown["rows"]) == 3 + 3 + 3 + 4 and shown["pa_mpjpe_off_mm"] < 1e-3
    assert json.loads((tmp_path / "kernels.json").read_text()) == shown
    page = (tmp_path / "kernels.md").read_text()
    assert "| paint, forward and backward | 2 x 3 x 32 x 32, crop 16 |" in page and "SciPy, pose by pose" in page
    assert "PA-MPJPE differs from the float64 reference by at most" in page
    assert kernel_report.table(time_kernels(small[:1], CPU, seconds=0.1)).row_count == 5


def test_what_is_measured_has_to_be_named_right(capsys, tmp_path):
    for words, said in (
        (["speed"], "nothing called 'speed' to measure; choose latency or kernels"),
        (["latency"], "`turncoat bench latency` needs a bundle"),
        (["kernels", str(tmp_path)], "`turncoat bench kernels` takes no bundle"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["bench", *words])
        assert stop.value.code == 2 and said in " ".join(capsys.readouterr().err.split())
