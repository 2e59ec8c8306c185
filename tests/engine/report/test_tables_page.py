"""The page and the Markdown of the tables: whole, self-contained, true to the rows, honest about what is missing."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from fixtures.fake_run import write_fake_run
from fixtures.page import Page
from turncoat.engine.analysis.compare import compare_runs
from turncoat.engine.analysis.tables import FamilyTables, make_tables
from turncoat.engine.report.differences import comparison_table, success_sentences
from turncoat.engine.report.family_page import terminal, write_tables
from turncoat.engine.report.family_words import headline
from turncoat.engine.report.plain import markdown, rich_table
from turncoat.engine.runs import Run
from turncoat.training.data import open_dataset

ATTACKED = ["fooled", "iterations used up", "zero gradient"]
NAMES = ("nsd", "cssl", "cssl-da", "ugar")


@pytest.fixture(scope="module")
def runs(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    dataset, folder = open_dataset(tiny_dataset), tmp_path_factory.mktemp("family")
    found = {}
    for seed, name in enumerate((*NAMES, "nsd-seed1", "nsd-seed2")):
        metadata = {"method": name.split("-")[0], "images": 1_000_000, "dataset": {"recipe": "confounded"}}
        network = {"name": name, "path": None, "weights_hash": f"{seed}" * 64, "metadata": metadata}
        found[name] = write_fake_run(
            folder / name, dataset, settings=("paper", "natural"), network=network, seed=seed, frames_seed=0
        )
    return found


@pytest.fixture(scope="module")
def tables(runs: dict[str, Run]) -> FamilyTables:
    seeds = [runs[name] for name in ("nsd", "nsd-seed1", "nsd-seed2")]
    return make_tables([runs[name] for name in NAMES], seeds={"nsd": seeds})


@pytest.fixture(scope="module")
def files(tables: FamilyTables, runs: dict[str, Run], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return write_tables(tables, list(runs.values()), tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def page(files: tuple[Path, ...]) -> Page:
    return Page(files[0].read_text(encoding="utf-8"))


def first_number(cell: str) -> float:
    found = re.search(r"[−-]?\d[\d,]*\.?\d*", cell)
    assert found, cell
    return float(found[0].replace(",", "").replace("−", "-"))


def test_the_page_fetches_nothing_and_closes_every_tag(files: tuple[Path, ...], page: Page) -> None:
    html = files[0].read_text(encoding="utf-8")
    assert not page.unbalanced
    assert not re.search(r"https?://|url\(|@import|<script\s|<link", html)
    assert "nan" not in page.text.lower().split() and "None" not in page.text


def test_table_1_holds_what_the_rows_give(runs: dict[str, Run], page: Page) -> None:
    table = page.table("initial, mm", "final, mm", "fooled")  # the first is of setting paper
    for name in ("nsd", "cssl", "cssl-da"):
        rows = runs[name].rows(attack="appearance", setting="paper", outcome=ATTACKED)
        subjects = sorted(set(rows["subject"].tolist()))
        final = np.mean([rows["error_final_mm"][rows["subject"] == subject].mean() for subject in subjects])
        cells = table[name]
        assert cells[0] == str(len(rows["sample_id"]))
        assert first_number(cells[3]) == pytest.approx(final, abs=0.051)
        assert first_number(cells[4]) == pytest.approx(100 * np.mean(rows["outcome"] == "fooled"), abs=0.51)
    assert "ugar †" in table and "mean of these 3" in table
    assert table["CSSL, as published"][2:4] == ["25.6", "187.8"], "the mean of the rows, not 207.5"
    assert "207.5" in page.text, "which is said to be printed"


def test_what_stands_apart_is_marked_and_said(page: Page) -> None:
    assert "† ugar: given the dataset's crops and masks" in " ".join(page.text.split())
    assert "left out of averages" in page.text
    assert "Only 41 everyday frames were attacked" in page.text


def test_table_4_stands_beside_the_papers(page: Page) -> None:
    table = page.table("cssl", "cssl-da", "CSSL(DA), paper")
    assert table["SSIM, whole frame"][-2:] == ["0.943", "0.926"]
    assert table["PSNR, whole frame, dB"][-2:] == ["24.37", "22.90"]
    assert table["MSE, summed over channels"][-2:] == ["0.013", "0.018"]
    assert table["MSE, mean over channels"][-2:] == ["–", "–"]


def test_differences_stand_above_the_spread_of_the_seeds(tables: FamilyTables, page: Page) -> None:
    table = page.table("p, frames", "p, swaps")
    assert list(table)[-1] == "seeds of nsd" and table["seeds of nsd"][0] == "3 seeds"
    spread = tables.spreads[0].get("paper", "everyday", "success")
    assert spread is not None and first_number(table["seeds of nsd"][2]) == pytest.approx(
        100 * spread.largest, abs=0.06
    )
    one = tables.differences["paper", "everyday"][0]
    assert first_number(table["cssl"][2]) == pytest.approx(100 * one.success.difference.value, abs=0.06)


def test_the_same_tables_are_markdown_json_and_a_terminal(tables: FamilyTables, files: tuple[Path, ...]) -> None:
    text = files[1].read_text(encoding="utf-8")
    for title in ("### Table 1, paper", "### Table 2, natural", "### Table 4, paper", "### Seeds of nsd, natural"):
        assert title in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")
    document = json.loads(files[2].read_text(encoding="utf-8"))
    assert [one["name"] for one in document["networks"]] == list(NAMES)
    titles = [str(table.title) for table in terminal(tables)]
    assert "Table 1, natural" in titles and "Table 4, paper: CSSL against CSSL-DA" in titles


def test_one_network_without_controls_or_seeds_makes_a_page_too(tiny_dataset: Path, tmp_path: Path) -> None:
    run = write_fake_run(
        tmp_path / "run", open_dataset(tiny_dataset), settings=("natural",), per_subject=3, controls=False
    )
    page = Page(write_tables(make_tables([run]), [run], tmp_path)[0].read_text(encoding="utf-8"))
    words = " ".join(page.text.split())
    assert "cssl and cssl-da were not attacked" in words and "No control was run." in words
    assert "mean of these" not in words and "As published" not in words
    assert not page.unbalanced


def test_the_headline_is_of_the_settings_that_there_are(
    tables: FamilyTables, tiny_dataset: Path, tmp_path: Path
) -> None:
    assert headline(tables).startswith("Unbounded, the attack fools nsd") and "real pictures, on" in headline(tables)
    one = write_fake_run(tmp_path / "nsd", open_dataset(tiny_dataset), settings=("free",))
    assert headline(make_tables([one])).startswith("Unbounded in whitened coordinates, the attack fools")


def test_groups_of_actions_are_never_pooled(tiny_dataset: Path, tmp_path: Path) -> None:
    groups = ("everyday", "acrobatic")
    run = write_fake_run(tmp_path / "run", open_dataset(tiny_dataset), settings=("paper",), groups=groups)
    found = make_tables([run])
    assert found.groups == groups
    everyday, acrobatic = (found.errors("paper", group)[0] for group in groups)
    assert everyday.frames + acrobatic.frames == 81, "80 frames and one unreadable"
    page = Page(write_tables(found, [run], tmp_path)[0].read_text(encoding="utf-8"))
    assert "Acrobatic actions" in page.text and "1 failed" in page.text


def test_a_comparison_is_a_table_and_two_sentences(runs: dict[str, Run]) -> None:
    found = compare_runs(runs["nsd"], runs["cssl"], setting="natural")
    text = markdown(comparison_table(found))
    assert "B − A" in text
    assert f"{found.left_out} of {found.shared} shared frames left out" in text
    assert rich_table(comparison_table(found)).row_count == 2 + len(found.differences)
    words = success_sentences(found)
    one = found.success
    assert f"{one.both} were fooled under both, {one.only_a} under nsd alone, {one.only_b} under cssl alone" in words[0]
    assert "McNemar's exact test" in words[1]


@pytest.mark.parametrize("name", ["<b>bold</b>", "a|b", "[red]"])
def test_names_are_text_and_never_markup(name: str, tiny_dataset: Path, tmp_path: Path) -> None:
    network: dict[str, Any] = {"name": name, "path": None, "weights_hash": "ab", "metadata": {"method": "nsd"}}
    run = write_fake_run(
        tmp_path / "run", open_dataset(tiny_dataset), settings=("paper",), per_subject=2, network=network
    )
    html, text, _ = write_tables(make_tables([run]), [run], tmp_path)
    drawn = Console(width=150)
    with drawn.capture() as captured:
        drawn.print(*terminal(make_tables([run])))
    assert name in captured.get()
    assert "<b>bold</b>" not in html.read_text(encoding="utf-8")
    row = next(line for line in text.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {name[:1]}"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 8
