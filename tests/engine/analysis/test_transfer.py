"""A transfer matrix of networks whose transfer is known: twins, one that looks at something else, one half as keen."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fixtures.foreign import write_module, write_target
from fixtures.lively import lively
from fixtures.toys import GAIN_MM, LayeredDataset, ToyNetwork, ToyStatistics
from turncoat.engine.analysis.transfer import Transfer, transfer_matrix
from turncoat.engine.analysis.transfer.cells import Frames, average
from turncoat.engine.attack import AttackSettings
from turncoat.engine.report.transfer_page import FILES, as_markdown, terminal, write_transfer
from turncoat.engine.report.transfer_words import headline, notes
from turncoat.engine.sweep import Selection
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.data import Dataset

FEW = Selection(groups=("everyday",), per_subject=4)
QUICK = AttackSettings(
    attacks=("natural",), iterations=30, draws=2, threshold_mm=60, step_size={"natural": 0.02}, judge=None
)
EVERYDAY = ("natural", "everyday")
ROUNDING_MM = GAIN_MM / 255  # what rounding a picture to 8 bits can move a toy's prediction by


class Named(ToyNetwork):
    """A toy with a name, that looks at one colour."""

    def __init__(self, name: str, gain_mm: float = GAIN_MM, channel: int = 0) -> None:
        super().__init__(gain_mm, ToyStatistics())
        self.metadata, self.channel = {"name": name}, channel
        self.weights_hash = f"{name}-{gain_mm:g}-{channel}"

    def predict(self, frames: Tensor) -> Tensor:
        order = [self.channel, 1, 2]
        return super().predict(frames[:, order])


@pytest.fixture(scope="module")
def layered(larger_dataset: Path) -> Dataset:
    return LayeredDataset(larger_dataset)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("transfer") / "matrix"


@pytest.fixture(scope="module")
def found(layered: Dataset, place: Path) -> Transfer:
    networks = [Named("red"), Named("twin"), Named("half", GAIN_MM / 2), Named("blue", channel=2)]
    return transfer_matrix(networks[:2], networks, layered, place, QUICK, FEW)


def test_every_pair_has_a_run_and_every_target_sees_all_of_them(found: Transfer, place: Path) -> None:
    assert found.generators == ("red", "twin") and found.targets == ("red", "twin", "half", "blue")
    assert len(found.runs) == 8 and len(found.cells) == 2 * 4 * 4 and len(found.repaints) == 8
    assert all(run.complete for run in found.runs.values())
    assert (place / "runs" / "twin" / "half" / "run.json").is_file()
    assert found.failed == 0 and found.differs_mm < 0.1


def test_the_same_network_under_two_names_has_equal_cells_everywhere(found: Transfer) -> None:
    for generator in found.generators:
        own = found.cell(*EVERYDAY, generator, "red", "red")
        assert own.frames == 8 and own.success.value == 1 and own.of_own is None
        for made_for, target in (("red", "twin"), ("twin", "red"), ("twin", "twin")):
            other = found.cell(*EVERYDAY, generator, made_for, target)
            np.testing.assert_allclose(other.of.error, own.of.error, atol=0.1)
            np.testing.assert_allclose(other.of.random, own.of.random, atol=0.1)
            assert other.of_own is None if other.own else other.of_own.value == pytest.approx(1, abs=0.01)


def test_an_attack_on_what_a_network_does_not_look_at_is_not_handed_on(found: Transfer) -> None:
    one = found.cell(*EVERYDAY, "red", "red", "blue")
    assert one.error_mm.value < ROUNDING_MM and one.success.value == 0
    assert abs(one.of_own.value) < 0.05
    assert found.cell(*EVERYDAY, "red", "blue", "blue").error_mm.value > 50
    assert found.cell(*EVERYDAY, "red", "blue", "red").error_mm.value == pytest.approx(
        found.repaint("everyday", "red", "red").initial_mm.value, abs=ROUNDING_MM / 2
    ), "only the repainting is left"


def test_half_the_gain_is_half_the_error(found: Transfer) -> None:
    red, half = (found.cell(*EVERYDAY, "red", "red", name) for name in ("red", "half"))
    np.testing.assert_allclose(half.of.error, red.of.error / 2, atol=0.1)
    assert half.success.value == 0 and half.of_own.value < 0.7


def test_the_random_direction_stands_beside_and_is_weaker(found: Transfer) -> None:
    one = found.cell(*EVERYDAY, "red", "red", "twin")
    assert one.random_mm.value < one.error_mm.value / 2
    assert one.added_mm.value == pytest.approx(one.error_mm.value - one.random_mm.value)


def test_averages_are_means_of_cell_means(found: Transfer) -> None:
    foreign = [one for one in found.cells if not one.own]
    average = next(one for one in found.averages if one.words == "made for another target")
    assert average.cells == len(foreign) and average.left_out == 0
    assert average.error_mm.value == pytest.approx(np.mean([one.error_mm.value for one in foreign]))
    assert average.success == pytest.approx(np.mean([one.success.value for one in foreign]))


def test_cells_that_share_frames_are_drawn_together(found: Transfer) -> None:
    random = np.random.default_rng(0)
    error = random.normal(100, 30, 40)
    names = np.array([f"frame {n}" for n in range(40)], dtype=object)
    columns = {"sequence": np.array([f"sequence {n // 4}" for n in range(40)], dtype=object),
               "motion_id": np.full(40, None)}  # fmt: skip
    one = replace(found.cells[1], frames=40, marks=(), of=Frames(names, columns, error, error / 2, error / 4))
    alone, twice = (average("", cells, 60.0).error_mm for cells in ([one], [one, one]))
    assert alone.known and twice.value == pytest.approx(alone.value)
    assert twice.high - twice.low == pytest.approx(alone.high - alone.low, rel=0.1), "not narrower by a root of two"


def test_a_repaint_past_60_mm_marks_its_cells_and_leaves_them_out(layered: Dataset, tmp_path: Path) -> None:
    keen = Named("keen", 40 * GAIN_MM)  # the toy's repainting is half a unit too red: 9 mm for the others, 376 here
    found = transfer_matrix([Named("red")], [Named("red"), Named("twin"), keen], layered, tmp_path / "m",
                            QUICK.model_copy(update={"threshold_mm": 1000.0}), FEW)  # fmt: skip
    marked = found.repaint("everyday", "red", "keen")
    assert marked.initial_mm.value > 60 and "past 60 mm" in marked.marks[0]
    cells = [one for one in found.cells if one.marks]
    assert {(one.made_for, one.target) for one in cells} == {
        (a, b) for a in found.targets for b in found.targets if "keen" in (a, b)
    }
    average = next(one for one in found.averages if one.words == "made for another target")
    assert (average.cells, average.left_out) == (2, 4)
    assert average.error_mm.value == pytest.approx(found.cell(*EVERYDAY, "red", "red", "twin").error_mm.value, rel=0.2)
    assert any("keen painted by red" in note for note in notes(found))
    assert "†" in as_markdown(found, "transfer.png")


def test_frames_that_are_past_the_threshold_before_for_the_one_that_looks_are_counted(
    layered: Dataset, tmp_path: Path
) -> None:
    found = transfer_matrix([Named("red")], [Named("red"), Named("keen", 40 * GAIN_MM)], layered, tmp_path / "m",
                            QUICK, FEW)  # fmt: skip
    seen = found.cell(*EVERYDAY, "red", "red", "keen")
    assert seen.frames == 0 and seen.past_before == 8 and seen.not_attacked == 0
    made = found.cell(*EVERYDAY, "red", "keen", "red")
    assert made.frames == 0 and made.not_attacked == 8
    write_transfer(found, tmp_path / "m")  # empty cells are drawn, too
    assert "–" in (tmp_path / "m" / "index.html").read_text()


def test_a_killed_matrix_goes_on_and_ends_with_the_same_numbers(
    found: Transfer, layered: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from turncoat.engine.analysis.transfer import matrix, seen

    networks = [Named("red"), Named("twin"), Named("half", GAIN_MM / 2), Named("blue", channel=2)]
    asked: list[tuple[str, str]] = []
    whole = matrix.attack_dataset

    def dies(network: Any, *args: Any, target: Any, **others: Any) -> Any:
        asked.append((network.metadata["name"], target.metadata["name"]))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return whole(network, *args, target=target, **others)

    monkeypatch.setattr(matrix, "attack_dataset", dies)
    with pytest.raises(KeyboardInterrupt):
        transfer_matrix(networks[:2], networks, layered, tmp_path / "m", QUICK, FEW)
    with pytest.raises(ConfigError, match="not empty"):
        transfer_matrix(networks[:2], networks, layered, tmp_path / "m", QUICK, FEW)
    told: list[tuple[str, str, bool]] = []
    again = transfer_matrix(networks[:2], networks, layered, tmp_path / "m", QUICK, FEW, resume=True,
                            notify=lambda g, t, run, there: told.append((g, t, there)))  # fmt: skip
    assert [there for _, _, there in told] == [True, True] + [False] * 6
    for one, other in zip(found.cells, again.cells, strict=True):
        assert one.error_mm.value == pytest.approx(other.error_mm.value, abs=1e-6)
        assert one.random_mm.value == pytest.approx(other.random_mm.value, abs=1e-6)
    # everything is there now: nothing is attacked or looked at again
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "m").rglob("*.parquet")}
    monkeypatch.setattr(seen, "resynthesise", lambda *_: pytest.fail("it was looked at before"))
    transfer_matrix(networks[:2], networks, layered, tmp_path / "m", QUICK, FEW, resume=True)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "m").rglob("*.parquet")} == before


def test_other_settings_do_not_resume(found: Transfer, place: Path, layered: Dataset) -> None:
    with pytest.raises(ConfigError, match="threshold_mm"):
        transfer_matrix([Named("red")], [Named("red")], layered, place,
                        QUICK.model_copy(update={"threshold_mm": 70.0}), FEW, resume=True)  # fmt: skip


def test_networks_that_are_told_and_networks_that_cannot_paint_take_part_as_they_can(
    layered: Dataset, tmp_path: Path
) -> None:
    networks = {paints: lively(paints, layered) for paints in ("person", "crop", "nothing")}
    settings = QUICK.model_copy(update={"iterations": 3, "threshold_mm": 1e4, "controls": False})
    few = replace(FEW, per_subject=2)
    painters = [networks["person"], networks["crop"]]
    found = transfer_matrix(painters, list(networks.values()), layered, tmp_path / "m", settings, few)
    assert found.differs_mm < 1
    assert all(("told where the person is" in one.marks) == ("crop" in (one.generator, one.made_for, one.target))
               for one in found.cells)  # fmt: skip
    one = found.cell(*EVERYDAY, "crop", "person", "nothing")
    assert one.frames == 4 and one.random_mm is None and one.error_mm.value > 0
    assert "random" not in "".join(str(cell) for table in terminal(found) for cell in table.columns[1]._cells)
    with pytest.raises(ConfigError, match="has no decoder"):
        transfer_matrix([networks["nothing"]], painters, layered, tmp_path / "n", settings, few)
    assert not (tmp_path / "n").exists()


def test_bad_input_is_refused_before_anything_is_written(layered: Dataset, tmp_path: Path) -> None:
    place = tmp_path / "m"
    blind = Named("blind")
    blind.has_regressor = False
    bare = Named("bare")
    bare.statistics = None
    other = Named("red", GAIN_MM / 2)
    colours = QUICK.model_copy(update={"attacks": ("natural", "colours-0.1")})
    for painters, targets, settings, error, words in (
        ([Named("red")], [blind], QUICK, ConfigError, "no pose regressor"),
        ([bare], [Named("red")], QUICK, ConfigError, "statistics"),
        ([Named("red")], [other], QUICK, ConfigError, "different networks are called 'red'"),
        ([Named("red")] * 2, [Named("red")], QUICK, ConfigError, "name each once"),
        ([], [Named("red")], QUICK, ConfigError, "at least one generator"),
        ([Named("red")], [Named("red")], colours, ConfigError, "colours-0.1"),
        (["no-such-network"], [Named("red")], QUICK, DataError, "no-such-network"),
    ):
        with pytest.raises(error, match=words):
            transfer_matrix(painters, targets, layered, place, settings, FEW)
        assert not place.exists()


def test_the_files_say_what_was_found(found: Transfer, tmp_path: Path) -> None:
    files = write_transfer(found, tmp_path)
    assert [file.name for file in files] == list(FILES)
    document = json.loads((tmp_path / "transfer.json").read_text())
    assert len(document["cells"]) == 32 and "of" not in document["cells"][0]
    cell = next(one for one in document["cells"]
                if (one["generator"], one["made_for"], one["target"]) == ("red", "red", "half"))  # fmt: skip
    shown = found.cell(*EVERYDAY, "red", "red", "half")
    assert cell["error_mm"]["value"] == shown.error_mm.value and cell["own"] is False
    text, page = ((tmp_path / name).read_text() for name in ("transfer.md", "index.html"))
    for words in (headline(found).replace("\u00a0", "\u00a0"), f"{shown.error_mm.value:.1f}"):
        assert words in text and words in page
    assert "http" not in page.replace("http://www.w3.org", ""), "self-contained"
    assert (tmp_path / "transfer.png").read_bytes()[:4] == b"\x89PNG"


def test_a_single_network_is_a_matrix_too(layered: Dataset, tmp_path: Path) -> None:
    found = transfer_matrix([Named("red")], [Named("red")], layered, tmp_path / "m", QUICK, FEW)
    write_transfer(found, tmp_path / "m")
    assert "no other network" in headline(found) and len(found.cells) == 1
    torch.testing.assert_close(found.cells[0].error_mm.value, float(found.cells[0].of.error.mean()))


def test_a_foreign_target_looks_on_and_is_attacked(layered: Dataset, tmp_path: Path) -> None:
    module = write_module(tmp_path, "foreign_toy_of_a_matrix")
    foreign = write_target(tmp_path, f"{module}:joints", "white.toml", output={"unit": "m"})
    found = transfer_matrix([Named("red")], [Named("red"), str(foreign)], layered, tmp_path / "matrix", QUICK, FEW)
    assert found.targets == ("red", foreign.stem) and len(found.runs) == 2
    shown = found.cell(*EVERYDAY, "red", "red", foreign.stem)
    own = found.cell(*EVERYDAY, "red", foreign.stem, foreign.stem)
    assert shown.frames and own.frames and np.isfinite([shown.error_mm.value, own.error_mm.value]).all()
    with pytest.raises(ConfigError, match="foreign target, which cannot repaint"):
        transfer_matrix([str(foreign)], [Named("red")], layered, tmp_path / "other", QUICK, FEW)
