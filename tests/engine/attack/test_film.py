"""An attack looked at on its way ends where the run's row says it ended, and what is written can be shown."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fixtures.toys import LayeredDataset, ToyNetwork, ToyStatistics
from turncoat.engine.attack import AttackSettings
from turncoat.engine.attack.film import Film, film_attack, iterations_shown
from turncoat.engine.cli import main
from turncoat.engine.report.rerun_log import write_rerun
from turncoat.engine.runs import Run
from turncoat.engine.sweep import Selection, attack_dataset
from turncoat.engine.sweep.networks import pair_of
from turncoat.kernels.errors import ConfigError, EngineError
from turncoat.training.data import Dataset

SETTINGS = AttackSettings(
    attacks=("natural", "budget-2"), iterations=9, budget_iterations=7, threshold_mm=1e6, step_size={"natural": 0.02},
    controls=False, judge=None,
)  # fmt: skip


@pytest.fixture(scope="module")
def layered(tiny_dataset: Path) -> Dataset:
    return LayeredDataset(tiny_dataset)


@pytest.fixture(scope="module")
def run(layered: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    toy = ToyNetwork(statistics=ToyStatistics())
    few = Selection(groups=("everyday",), per_subject=2)
    return attack_dataset(toy, layered, SETTINGS, tmp_path_factory.mktemp("film") / "run", selection=few)


def filmed(run: Run, layered: Dataset, name: str) -> tuple[Film, dict[str, Any]]:
    row = run.table().take(run.select(setting=name, control=None)[:1]).to_pylist()[0]
    pair, _ = pair_of(ToyNetwork(statistics=ToyStatistics()), None, SETTINGS)
    return film_attack(pair, layered, row, name, run.info["attacks"][name]["step_size"], SETTINGS), row


@pytest.mark.parametrize(("name", "steps"), [("natural", 9), ("budget-2", 7)])
def test_the_way_begins_at_the_repainting_and_ends_at_the_row(
    run: Run, layered: Dataset, name: str, steps: int
) -> None:
    film, row = filmed(run, layered, name)
    assert [moment.iteration for moment in film.moments] == list(range(steps + 1))
    assert film.moments[0].error_mm == pytest.approx(row["error_initial_mm"], abs=1e-3)
    last = film.moments[-1]
    assert last.error_mm == pytest.approx(row["error_verified_mm"], abs=0.05)
    np.testing.assert_allclose(last.pose, np.reshape(row["pose_attacked"], (17, 3)), atol=0.1)
    np.testing.assert_allclose(film.pose_clean, np.reshape(row["pose_clean"], (17, 3)), atol=0.1)
    errors = [moment.error_mm for moment in film.moments]
    assert errors[-1] > errors[0] and last.frame.dtype == np.uint8 and last.frame.shape == film.clean.shape
    assert (last.frame != film.moments[0].frame).any()


def test_long_attacks_are_shown_in_ever_wider_steps() -> None:
    assert iterations_shown(3) == [1, 2, 3]
    found = iterations_shown(500)
    assert found[:4] == [1, 2, 3, 4] and found[-1] == 500 and len(found) <= 24
    assert (np.diff(np.diff(found)) >= -1).all()


def test_what_went_no_one_way_is_refused(layered: Dataset, run: Run) -> None:
    pair, _ = pair_of(ToyNetwork(statistics=ToyStatistics()), None, SETTINGS)
    row = run.table().slice(0, 1).to_pylist()[0]
    with pytest.raises(ConfigError, match="from several starts"):
        film_attack(pair, layered, row, "natural", 0.1, SETTINGS.model_copy(update={"restarts": 2}))
    with pytest.raises(ConfigError, match=r"colours-0\.1 has no steps to show"):
        film_attack(pair, layered, row, "colours-0.1", 0.1, SETTINGS)


def test_pictures_skeletons_and_error_lie_on_one_time_line(
    run: Run, layered: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[tuple[int | None, str]] = []

    class Recording:
        def __init__(self, application: str, *, recording_id: str) -> None:
            self.at: int | None = None

        def save(self, path: str) -> None:
            Path(path).write_bytes(b"film")

        def set_time(self, timeline: str, *, sequence: int) -> None:
            self.at = sequence

        def log(self, entity: str, what: Any, static: bool = False) -> None:
            logged.append((None if static else self.at, entity))

        def flush(self) -> None: ...

        def disconnect(self) -> None: ...

    kinds = {name: lambda *a, **k: (a, k) for name in ("Image", "LineStrips3D", "Scalars")}
    fake = SimpleNamespace(RecordingStream=Recording, ViewCoordinates=SimpleNamespace(RDF=0), **kinds)
    monkeypatch.setitem(sys.modules, "rerun", fake)
    film, _ = filmed(run, layered, "natural")
    write_rerun(film, tmp_path / "film.rrd", "a film")
    assert (tmp_path / "film.rrd").read_bytes() == b"film"
    assert {entity for at, entity in logged if at is None} == {"pose", "frame/clean", "pose/truth", "pose/clean"}
    for iteration in range(10):
        assert [entity for at, entity in logged if at == iteration] == ["frame/attacked", "pose/attacked", "error_mm"]


def test_without_rerun_there_is_a_sentence(
    run: Run, layered: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    film, _ = filmed(run, layered, "natural")
    with pytest.raises(EngineError, match=r"pip install 'turncoat\[viewer\]'"):
        write_rerun(film, tmp_path / "film.rrd", "a film")
    with pytest.raises(SystemExit) as stop:
        main(["show", str(run.folder), "1", "--rerun", "film.mp4", "--data", str(layered.folder)])
    assert stop.value.code == 2 and capsys.readouterr().err.count("\n") == 1
