"""The page: whole, self-contained, and true to the rows of the run."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fixtures.fake_run import write_fake_run
from fixtures.page import Page
from fixtures.toys import LayeredDataset, ToyNetwork, ToyStatistics
from turncoat.engine.analysis import summary
from turncoat.engine.attack import AttackSettings
from turncoat.engine.cli import main
from turncoat.engine.report import write_report
from turncoat.engine.report.numbers import read_groups
from turncoat.engine.report.words import iteration_sentences
from turncoat.engine.runs import Run, RunWriter
from turncoat.engine.sweep import Selection, attack_dataset
from turncoat.kernels.errors import DataError
from turncoat.training.data import Dataset, open_dataset

ATTACKED = ["fooled", "iterations used up", "zero gradient"]


@pytest.fixture(scope="module")
def dataset(tiny_dataset: Path) -> Dataset:
    return open_dataset(tiny_dataset)


@pytest.fixture(scope="module")
def run(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    settings = ("paper", "natural", "colours-0.1", "colours-free")
    return write_fake_run(tmp_path_factory.mktemp("fake") / "run", dataset, settings=settings)


@pytest.fixture(scope="module")
def html(run: Run) -> str:
    return write_report(run).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


@pytest.fixture(scope="module")
def attacked(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Dataset, ToyNetwork]:
    """A real run: a toy network on stick figures, both groups."""
    layered, network = LayeredDataset(tiny_dataset), ToyNetwork(statistics=ToyStatistics())
    settings = AttackSettings(
        attacks=("paper", "natural", "colours-0.1"),
        iterations=20,
        colour_iterations=5,
        draws=3,
        threshold_mm=60,
        step_size={"paper": 1.0, "natural": 0.1},
    )
    out = tmp_path_factory.mktemp("real") / "run"
    return attack_dataset(network, layered, settings, out, selection=Selection(per_subject=2)), layered, network


def numbers(cells: list[str]) -> list[float]:
    return [float(found[0]) for cell in cells if (found := re.findall(r"-?\d+\.?\d*", cell.replace(",", "")))]


def test_the_page_fetches_nothing(html: str, page: Page) -> None:
    assert "http://" not in html
    assert "https://" not in html
    assert "url(" not in html
    assert "@import" not in html
    assert not [tag for tag, _, _ in page.attributes if tag in ("link", "script", "iframe", "object")]
    for tag, name, value in page.attributes:
        if name in ("src", "href", "srcset"):
            assert value.startswith(("data:", "#")), (tag, name, value[:40])


def test_the_page_is_well_formed_and_closes_every_tag(page: Page) -> None:
    assert not page.unbalanced


def test_table_1_holds_what_the_rows_give(run: Run, page: Page) -> None:
    table = page.table("subject", "initial", "final", "fooled")
    means = {"paper": [], "natural": []}
    for subject in ("S1", "S2"):
        expected = []
        for setting in ("paper", "natural"):
            rows = run.rows(attack="appearance", setting=setting, subject=subject, outcome=ATTACKED)
            fooled = 100 * np.mean(rows["outcome"] == "fooled")
            values = [rows["error_initial_mm"].mean(), rows["error_final_mm"].mean()]
            means[setting].append(values)
            expected += [*values, fooled]
            count = len(rows["outcome"])
        found = numbers(table[subject])
        assert found[0] == count
        assert found[2:] == pytest.approx(expected, abs=0.5)
        assert [found[k] for k in (2, 3, 5, 6)] == pytest.approx([expected[k] for k in (0, 1, 3, 4)], abs=0.051)
    average = numbers(table["average"])
    assert average[2:4] == pytest.approx(np.mean(means["paper"], axis=0), abs=0.051)
    assert average[5:7] == pytest.approx(np.mean(means["natural"], axis=0), abs=0.051)


def test_table_1_agrees_with_the_summary_that_the_command_line_prints(run: Run, page: Page) -> None:
    table = page.table("subject", "initial", "final", "fooled")
    for offset, setting in ((2, "paper"), (5, "natural")):
        for row in summary.table_1(run, setting, group="everyday"):
            found = numbers(table[row.subject])
            assert found[offset] == pytest.approx(row.error_initial_mm, abs=0.051)
            assert found[offset + 1] == pytest.approx(row.error_final_mm, abs=0.051)


def test_the_papers_own_row_stands_below_and_is_marked_as_other_data(page: Page) -> None:
    table = page.table("subject", "initial", "final", "fooled")
    assert numbers(table["NSD as published, other data"]) == [19.7, 179.5]


def test_frames_past_the_threshold_before_the_attack_are_counted_and_left_out(run: Run, page: Page) -> None:
    before = len(run.rows(setting="paper", outcome="past the threshold before the attack")["outcome"])
    assert before > 0
    assert sum(numbers([page.table("subject", "initial")[name][1]])[0] for name in ("S1", "S2")) == before
    assert "past the threshold before the attack" in page.text


def test_every_attack_has_its_controls_beside_it(run: Run, page: Page) -> None:
    expected = {
        "paper": ["random direction, as long", "another frame's code, same subject",
                  "strongest of other subjects' codes"],
        "colours ±0.1": ["one random draw of colours", "strongest random draw of colours",
                         "strongest of other subjects' colours", "one grey level of noise"],
    }  # fmt: skip
    for name, controls in expected.items():
        tables = [table for table in page.tables if any(row and row[0] == f"attack, {name}" for row in table)]
        assert len(tables) == 1
        assert [row[0] for row in tables[0][2:-1]] == controls
    rows = run.rows(attack="control", setting="paper", control="random direction")
    table = next(table for table in page.tables if table[1][0] == "attack, paper")
    assert numbers(table[2][5:6])[0] == pytest.approx(rows["error_verified_mm"].mean(), abs=0.051)


def test_the_page_claims_no_more_of_natural_than_its_bound(page: Page) -> None:
    assert "no further out than those of 99\xa0% of real pictures" in page.text
    assert "appearances like those" not in page.text
    assert "no picture has" not in page.text
    assert "would not move" not in page.text


def test_sequences_and_recordings_behind_the_frames_are_said(run: Run, page: Page) -> None:
    rows = run.rows(attack=["appearance", "colours"])
    sequences, recordings = (len(set(rows[name].tolist()) - {None}) for name in ("sequence", "motion_id"))
    assert page.text.count(f"from {sequences} sequences of {recordings} recordings") >= 3  # top, intervals, provenance


def test_the_initial_error_on_top_is_of_all_frames(run: Run, page: Page) -> None:
    rows = run.rows(attack="appearance", setting="paper")
    everyone = rows["error_initial_mm"][np.isfinite(rows["error_initial_mm"])].mean()
    attacked = run.rows(attack="appearance", setting="paper", outcome=ATTACKED)["error_initial_mm"].mean()
    assert everyone > attacked + 1
    assert re.search(rf"{everyone:.1f} mm\s*moved by the synthesis alone, mean over all frames", page.text)
    assert f"Of the frames attacked: {attacked:.1f}\xa0mm" in page.text


def test_colours_that_fooled_say_where_they_crossed_and_that_the_strongest_is_shown(page: Page) -> None:
    assert re.search(r"first past 175 mm at step \d+; the strongest of 60 steps is shown", page.text)
    assert "for the first time within" in page.text


def test_a_frame_that_failed_under_two_attacks_is_one_frame(dataset: Dataset, tmp_path: Path) -> None:
    whole = write_fake_run(tmp_path / "whole", dataset, settings=("paper", "natural"), per_subject=3, controls=False)
    writer = RunWriter.open(tmp_path / "run", {name: value for name, value in whole.info.items() if name != "status"})
    rows = whole.table().to_pylist()
    writer.write(0, rows)
    writer.write(1, [{**row, "setting": "natural"} for row in rows if row["outcome"] == "unreadable input"])
    text = Page(write_report(writer.finish()).read_text(encoding="utf-8")).text
    assert "1 frame came to no result" in text


def test_everyday_and_acrobatic_frames_are_reported_apart(dataset: Dataset, tmp_path: Path) -> None:
    both = write_fake_run(tmp_path / "run", dataset, groups=("everyday", "acrobatic"), per_subject=12)
    page = Page(write_report(both).read_text(encoding="utf-8"))
    tables = [table for table in page.tables if table[1:] and "subject" in table[1] and "initial" in table[1]]
    assert len(tables) == 2
    for group, table in zip(("everyday", "acrobatic"), tables, strict=True):
        rows = both.rows(setting="paper", attack="appearance", group=group, subject="S1", outcome=ATTACKED)
        assert numbers(table[2][3:4])[0] == pytest.approx(rows["error_initial_mm"].mean(), abs=0.051)


@pytest.mark.parametrize(
    "settings",
    [("paper",), ("natural",), ("free", "natural"), ("colours-0.2",), ("paper", "free", "natural", "colours-0.1")],
)
@pytest.mark.parametrize("controls", [True, False])
def test_settings_that_were_not_run_are_left_out(
    settings: tuple[str, ...], controls: bool, dataset: Dataset, tmp_path: Path
) -> None:
    part = write_fake_run(tmp_path / "run", dataset, settings=settings, controls=controls, per_subject=6)
    page = Page(write_report(part).read_text(encoding="utf-8"))
    assert not page.unbalanced
    heads = {cell for table in page.tables for row in table[:2] for cell in row}
    for name in ("paper", "free", "natural"):
        assert (name in heads) == (name in settings)
    assert ("nan" in page.text.lower().split()) is False


def test_one_frame_is_enough_for_a_page(dataset: Dataset, tmp_path: Path) -> None:
    page = Page(write_report(write_fake_run(tmp_path / "run", dataset, per_subject=1)).read_text(encoding="utf-8"))
    assert not page.unbalanced
    assert page.table("subject", "initial")["S1"]


def test_a_run_where_nothing_could_be_attacked_still_has_a_page(dataset: Dataset, tmp_path: Path) -> None:
    whole = write_fake_run(tmp_path / "whole", dataset, per_subject=2, controls=False)
    writer = RunWriter.open(tmp_path / "run", {name: value for name, value in whole.info.items() if name != "status"})
    lost = ("outcome", "iterations", "pose_clean", "pose_attacked", "appearance", "error_curve_mm", "error_verified_mm")
    rows: list[dict[str, Any]] = [
        {**{name: value for name, value in row.items() if name not in lost}, "outcome": "not finite"}
        for row in whole.table().to_pylist()
    ]
    writer.write(0, rows)
    nothing = writer.finish()
    page = Page(write_report(nothing).read_text(encoding="utf-8"))
    assert "came to no result" in page.text
    said = iteration_sentences(read_groups(nothing)[0], dict.fromkeys(("paper", "natural", "colours-0.1"), 200))
    assert said[0] == "No frame could be attacked with paper."
    assert not [line for line in said if "fooled none" in line]
    assert not page.unbalanced


def test_an_unfinished_run_is_reported_as_such(dataset: Dataset, tmp_path: Path) -> None:
    part = write_fake_run(tmp_path / "run", dataset, per_subject=3, finish=False)
    assert "has not finished" in write_report(part).read_text(encoding="utf-8")


def test_without_ground_truth_or_statistics_their_numbers_are_left_out(dataset: Dataset, tmp_path: Path) -> None:
    whole = write_fake_run(tmp_path / "whole", dataset, settings=("paper",), per_subject=4)
    info = {**whole.info, "dataset": {**whole.info["dataset"], "folder": str(tmp_path / "nowhere")}}
    writer = RunWriter.open(tmp_path / "run", {name: value for name, value in info.items() if name != "status"})
    unknown = ("error_gt_clean_mm", "error_gt_attacked_mm", "appearance_mahalanobis", "appearance_mahalanobis_start")
    writer.write(0, [{**row, **dict.fromkeys(unknown)} for row in whole.table().to_pylist()])
    page = Page(write_report(writer.finish()).read_text(encoding="utf-8"))
    assert "Where the codes go" not in page.text
    assert "Against ground truth" not in page.text
    assert "nowhere" in page.text  # says which dataset is missing
    assert not page.unbalanced


def test_what_the_judge_sees_and_what_was_given_is_said_where_it_is_so(
    run: Run, page: Page, dataset: Dataset, tmp_path: Path
) -> None:
    assert "judge" not in page.text and "Given" not in page.text
    whole = write_fake_run(tmp_path / "whole", dataset, settings=("paper", "natural"), per_subject=4)
    facts = {
        **whole.info,
        "judge": {"name": "eye", "weights_hash": "12" * 32},
        "target": {"given": True, "name": "ugar"},
    }
    writer = RunWriter.open(tmp_path / "run", facts)
    rows = whole.table().to_pylist()
    for row in rows:
        if row["setting"] == "natural":
            row |= {"judge_error_initial_mm": 12.0, "judge_error_mm": 34.0}
    writer.write(0, rows)
    judged = Page(write_report(writer.finish()).read_text(encoding="utf-8"))
    (table,) = [table for table in judged.tables if "the judge's" in table[0]]
    column = table[0].index("the judge's")
    assert {line[0]: line[column] for line in table[1:]} == {"paper": "–", "natural": "12 → 34"} | {
        line[0]: "–" for line in table[1:] if "published" in line[0]
    }
    assert "eye, weights 1212" in judged.text and "crops and masks are the dataset" in judged.text


def test_names_from_the_dataset_are_escaped(dataset: Dataset, tmp_path: Path) -> None:
    whole = write_fake_run(tmp_path / "whole", dataset, settings=("paper",), per_subject=3)
    writer = RunWriter.open(tmp_path / "run", {name: value for name, value in whole.info.items() if name != "status"})
    writer.write(0, [{**row, "subject": "<b>&S1"} for row in whole.table().to_pylist()])
    html = write_report(writer.finish()).read_text(encoding="utf-8")
    assert "<b>&S1" not in html
    assert "&lt;b&gt;&amp;S1" in html


def test_pictures_are_painted_again_from_the_codes(attacked: tuple[Run, Dataset, ToyNetwork], tmp_path: Path) -> None:
    run, dataset, network = attacked
    html = write_report(run, data=dataset, weights=network, out=tmp_path / "page.html").read_text(encoding="utf-8")
    urls = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)
    pictures = [Image.open(io.BytesIO(base64.b64decode(url))) for url in urls]
    assert len(pictures) >= 20
    assert {picture.size for picture in pictures} == {(264, 264)}
    page = Page(html)
    captions = [value for tag, name, value in page.attributes if tag == "img" and name == "alt"]
    assert any(caption.endswith("synthesised") for caption in captions)
    assert not page.unbalanced
    assert len(html) < 5e6


def test_the_gallery_names_the_numbers_of_its_rows(attacked: tuple[Run, Dataset, ToyNetwork], tmp_path: Path) -> None:
    run, dataset, network = attacked
    text = Page(write_report(run, data=dataset, weights=network, out=tmp_path / "a.html").read_text("utf-8")).text
    shown = re.findall(r"MPJPE (\d+)\xa0?\s?mm, PA-MPJPE (\d+)", text)
    rows = run.rows(attack=["appearance", "colours"])
    known = {(f"{a:.0f}", f"{b:.0f}") for a, b in zip(rows["error_verified_mm"], rows["error_pa_mm"], strict=True)}
    assert shown
    assert set(shown) <= known


def test_what_is_missing_is_left_out_and_said(run: Run, page: Page) -> None:
    assert "Pictures are missing here" in page.text  # the weights of the invented run are nowhere
    assert not [tag for tag, _, _ in page.attributes if tag == "img"]


def test_another_dataset_or_network_than_the_runs_is_refused(
    run: Run, attacked: tuple[Run, Dataset, ToyNetwork]
) -> None:
    with pytest.raises(DataError, match="the run used cdcdcdcdcdcd"):
        write_report(run, data=attacked[1])
    with pytest.raises(DataError, match="the run used toy-"):
        write_report(attacked[0], data=attacked[1], weights=ToyNetwork(gain_mm=1.0))


def test_an_empty_run_is_one_sentence(dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = write_fake_run(tmp_path / "whole", dataset, settings=("paper",), per_subject=1)
    RunWriter.open(tmp_path / "run", {name: value for name, value in whole.info.items() if name != "status"})
    assert refused(["report", str(tmp_path / "run")], capsys).startswith(f"{tmp_path / 'run'} holds no results")


def test_a_folder_that_is_no_run_and_a_cut_part_are_one_sentence(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is not a run" in refused(["report", str(tmp_path)], capsys)
    whole = write_fake_run(tmp_path / "run", dataset, settings=("paper",), per_subject=1)
    part = whole.folder / "results" / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:200])
    assert "cannot be read" in refused(["report", str(tmp_path / "run")], capsys)
    assert not (tmp_path / "run" / "report").exists()


def test_the_command_names_the_page_and_prints_json_alone(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_fake_run(tmp_path / "run", dataset, settings=("paper",), per_subject=2)
    with pytest.raises(SystemExit) as ended:
        main(["report", str(tmp_path / "run"), "--json"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith("{")
    assert str(tmp_path / "run" / "report" / "index.html") in out


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1
    return said


def test_the_page_says_how_each_attack_moved() -> None:
    from turncoat.engine.report.names import moved_by

    old = {"settings": {"attacks": ["paper", "natural", "colours-0.1"]}}
    assert moved_by(old) == "Adam"
    both = {"attacks": ["paper", "natural"], "optimiser": {"natural": "gradient"}, "restarts": 3, "budget_factor": 2.0}
    assert moved_by({"settings": both}) == (
        "paper: Adam; natural: plain gradient steps, 3 starts, 2 times the natural ball"
    )
    recorded = {"settings": {"attacks": ["natural"]}, "attacks": {"natural": {"optimiser": "sign"}}}
    assert moved_by(recorded) == "sign steps"
