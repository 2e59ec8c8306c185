"""Latencies are medians of interleaved calls, ratios are against the plain loop, and the plain loop is the network."""

import json

import numpy as np
import pytest
import torch

from fixtures.lively import lively
from turncoat.engine.latency import Case, PlainSession, measure, measure_latency
from turncoat.engine.latency.measure import _percentiles
from turncoat.engine.latency.report import document, write_report
from turncoat.engine.verification.truth import draw_sample, invented_sample
from turncoat.export.attack_step import attack_step
from turncoat.export.bundle import Bundle
from turncoat.training.data import open_dataset
from turncoat.training.networks import guide


class Clock:
    """A clock that only answers move."""

    now = 0.0

    def perf_counter(self):
        self.now += 1e-9
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(measure, "time", clock)
    monkeypatch.setattr(Sleeper, "clock", clock)
    return clock


class Sleeper:
    """Answers after a known time of the clock."""

    clock = Clock()

    precision, batches, device = "float32", None, torch.device("cpu")

    def __init__(self, backend, seconds, log=None):
        self.backend, self.seconds, self.closed, self.log = backend, seconds, False, log

    def predict(self, frames, *, given=None):
        self.clock.now += self.seconds * len(frames)
        if self.log is not None:
            self.log.append(self.backend)
        return torch.zeros(len(frames), 17, 3)

    def attack_step(self, appearance, *rest):
        self.clock.now += self.seconds * len(appearance)
        return torch.zeros(len(appearance), 17, 3), torch.zeros_like(appearance)

    def close(self):
        self.closed = True


@pytest.fixture(scope="module")
def network(tiny_dataset):
    return lively("person", open_dataset(tiny_dataset))


def test_a_backend_twice_as_fast_is_twice_as_fast(network):
    log: list[str] = []
    sessions = {"plain": Sleeper("plain", 0.01, log), "fast": Sleeper("fast", 0.005, log)}
    cases = [Case("predict", 1), Case("gradient", 2)]
    opened = {name: (lambda session=session: session) for name, session in sessions.items()}
    found = measure_latency(opened, network, invented_sample(network, 2), cases, calls=12)
    assert [(one.backend, one.case) for one in found] == [(name, case) for case in cases for name in sessions]
    for one in found:
        expected = (0.01 if one.backend == "plain" else 0.005) * one.case.batch
        assert one.percentiles[50] == pytest.approx(1e3 * expected, rel=1e-3)
        assert one.ratio == pytest.approx(1 if one.backend == "plain" else 2, rel=1e-3)
        assert one.per_second == pytest.approx(one.case.batch / expected, rel=1e-3)
        assert one.calls == 12 and one.device_ms is None and one.first_s >= expected
    assert all(session.closed for session in sessions.values())
    assert log[-8:] == ["fast", "plain", "plain", "fast"] * 2 or log[-8:] == ["plain", "fast", "fast", "plain"] * 2


def test_the_time_allowed_ends_a_case_but_not_before_five_calls(network):
    sessions = {"slow": lambda: Sleeper("slow", 0.02)}
    sample = invented_sample(network, 1)
    found = measure_latency(sessions, network, sample, [Case("predict", 1)], calls=1000, seconds=0.2)
    assert 5 <= found[0].calls < 20


def test_percentiles_that_few_calls_cannot_tell_are_left_out():
    assert set(_percentiles(np.ones(10))) == {50}
    assert set(_percentiles(np.ones(200))) == {50, 90, 95, 99}
    assert set(_percentiles(np.ones(1000))) == {50, 90, 95, 99, 99.9}


@pytest.mark.parametrize("paints", ["person", "crop"])
def test_the_plain_loop_answers_as_the_network_does(tiny_dataset, paints):
    dataset = open_dataset(tiny_dataset)
    made = lively(paints, dataset)
    sample = draw_sample(dataset, made, 3)
    told = guide(made, sample.given)
    codes = told.encode(sample.frames)
    canvas = told.canvas(codes, sample.background)
    reference = told.predict(sample.frames.flip(0)) if sample.given is None else told.predict(sample.frames) + 50
    aim = (reference, torch.ones(17), torch.ones(3))
    wanted = attack_step(made, told, codes.appearance, canvas, *aim)
    poses = told.predict(sample.frames)
    plain = PlainSession(made, torch.device("cpu"))
    torch.testing.assert_close(plain.predict(sample.frames, given=sample.given), poses, atol=0.02, rtol=0)
    found = plain.attack_step(codes.appearance, canvas, *aim)
    torch.testing.assert_close(found[0], wanted[0], atol=0.02, rtol=0)
    assert float(torch.nn.functional.cosine_similarity(found[1], wanted[1]).min()) > 0.999


def test_the_report_is_a_table_a_document_and_a_picture(network, tmp_path):
    sessions = {
        name: (lambda name=name, s=s: Sleeper(name, s))
        for name, s in (("plain", 2e-3), ("fast", 1e-3), ("other", 5e-4))
    }
    cases = [Case(verb, batch) for verb in ("predict", "gradient") for batch in (1, 2)]
    found = measure_latency(sessions, network, invented_sample(network, 2), cases, calls=6)
    info = {"name": "tiny", "preset": "studio", "precision": "fp32", "weights": {"hash": "0"}}
    result = document(Bundle(tmp_path, info), found, "cpu", 1)
    write_report(tmp_path, result, found)
    assert len(json.loads((tmp_path / "latency.json").read_text())["rows"]) == 12
    text = (tmp_path / "latency.md").read_text()
    assert text.count("\n| predict") == text.count("\n| gradient") == 6 and "torch: " in text
    assert (tmp_path / "latency.png").stat().st_size > 10_000
