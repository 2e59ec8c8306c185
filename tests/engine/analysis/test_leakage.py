"""The catalogue leaves out what cannot be done, the card holds what was found, and cards stand side by side."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from turncoat.engine.analysis.analyse import analyse, open_crossed
from turncoat.engine.analysis.catalogue import ANALYSES, Analysis, Case, LeftOut, chosen, look
from turncoat.engine.analysis.intervals import Interval
from turncoat.engine.analysis.leakage import LINES, leakage_card, read_leakage_card
from turncoat.engine.analysis.number import Number, exactly
from turncoat.engine.cli import main
from turncoat.engine.report.analyses_page import Section
from turncoat.engine.report.card_figure import reach
from turncoat.engine.report.card_page import render, write_card
from turncoat.engine.report.number_tables import all_numbers, beside_table
from turncoat.engine.report.worst import Worst
from turncoat.kernels.errors import ConfigError, DataError
from turncoat.training.data import open_dataset


class Found:
    def __init__(self, *numbers: Number) -> None:
        self._numbers = list(numbers)

    def numbers(self) -> list[Number]:
        return self._numbers

    def facts(self) -> dict[str, Any]:
        return {"count": len(self._numbers)}


COLOURS = Number(
    "colours_seen_mpjpe_mm",
    "spread over colours",
    Interval(84.2, 70, 99),
    "mm",
    Interval(2.1, 1.9, 2.4),
    "one grey level",
)
AREA = Number(
    "codes_area_mm", "codes: mean over budgets", Interval(120, 90, 150), "mm", exactly(30), "random direction"
)
FOOLED = Number(
    "codes_fooled", "codes: past 175 mm", Interval(0.85, 0.6, 0.95), "share", exactly(0.02), "random direction"
)
WORST = Worst(
    "colours within ±0.1",
    "a",
    301.0,
    None,
    {"input": np.full((9, 9, 3), 90, np.uint8), "attacked": np.zeros((9, 9, 3), np.uint8)},
)


def fail(case: Case, progress: Any) -> Any:
    raise DataError(f"{case.name} has nothing to look at; render more.")


def broken(case: Case, progress: Any) -> Any:
    raise ValueError("a mistake")


def nothing(results: Any, folder: Path) -> list[Path]:
    return []


def test_bad_input_is_a_sentence_and_a_mistake_is_a_mistake(tiny_dataset: Path) -> None:
    case = Case("mine", object(), open_dataset(tiny_dataset))
    found = look(Analysis("far", "Far", "?", "", fail, nothing), case)
    assert found == LeftOut("far", "mine", "mine has nothing to look at; render more.")
    with pytest.raises(ValueError, match="a mistake"):
        look(Analysis("far", "Far", "?", "", broken, nothing), case)


def test_the_rest_is_done(tiny_dataset: Path) -> None:
    cases = [Case(name, object(), open_dataset(tiny_dataset)) for name in ("one", "two")]
    works = Analysis("near", "Near", "?", "", lambda case, progress: Found(COLOURS), nothing)
    seen: list[tuple[str, str, bool]] = []

    def found(analysis: Analysis, case: Case, result: Any) -> None:
        seen.append((case.name, analysis.key, isinstance(result, LeftOut)))

    analyse([Analysis("far", "Far", "?", "", fail, nothing), works], cases, found=found)
    assert seen == [("one", "far", True), ("one", "near", False), ("two", "far", True), ("two", "near", False)]


def test_analyses_are_chosen_by_name_in_the_order_of_the_catalogue() -> None:
    assert [one.key for one in chosen()] == list(ANALYSES)
    assert [one.key for one in chosen(["attack"])] == ["attack"]
    with pytest.raises(ConfigError, match=r"no analysis 'tsne-3d'; choose from .*attack"):
        chosen(["tsne-3d"])


def test_a_figure_that_cannot_be_drawn_costs_no_numbers(tmp_path: Path) -> None:
    def refuse(results: Any, folder: Path) -> list[Path]:
        raise ConfigError("Every pose has a damaged frame; render the set again.")

    section = Section(Analysis("far", "Far", "How far?", "", fail, refuse))
    section.add("mine", Found(AREA))
    section.draw(tmp_path)
    (one,) = section.left_out
    assert "No figure: Every pose" in one.why and section.numbers["mine"] == [AREA] and not section.figures


def test_every_line_of_the_card_is_of_an_analysis_there_is() -> None:
    assert {one.analysis for one in LINES} <= set(ANALYSES)


def test_a_network_that_only_predicts_has_neither_codes_nor_repaintings(tiny_dataset: Path) -> None:
    class Blind:
        def predict(self, frames: Any) -> Any:
            raise AssertionError

    case = Case("blind", Blind(), open_dataset(tiny_dataset))
    for key in ANALYSES:
        if key not in ("attack", "wardrobe"):
            found = look(ANALYSES[key], case)
            assert isinstance(found, LeftOut) and "blind" in found.why
    found = look(ANALYSES["wardrobe"], case)
    assert isinstance(found, LeftOut) and "turncoat render --recipe crossed" in found.why


def test_the_card_says_what_was_found_and_what_was_not(tmp_path: Path) -> None:
    left_out = LeftOut("dependence", "mine", "mine has no codes.")
    card = leakage_card("mine", {"wardrobe": Found(COLOURS), "attack": Found(AREA, FOOLED), "dependence": left_out})
    assert (
        card.headline
        == "Other colours on the same body move mine's pose by 84 mm, 40 times what one grey level of noise does."
    )
    assert [one.number.key for one in card.lines] == ["colours_seen_mpjpe_mm", "codes_area_mm", "codes_fooled"]
    page, picture, printed, document = write_card(card, [WORST], tmp_path)
    html = page.read_text(encoding="utf-8")
    assert card.headline.replace("'", "&#39;") in html and "mine has no codes." in html and "301 mm" in html
    assert 'style="width:56.13%"' in html, "84.2 of 150 mm, the farthest bound"
    assert Image.open(picture).size[0] == 1350 and printed.read_bytes().startswith(b"%PDF")
    found = read_leakage_card(tmp_path)
    assert found == json.loads(document.read_text()) and found["lines"][0]["null"]["value"] == 2.1
    assert found["left_out"] == [{"analysis": "dependence", "network": "mine", "why": "mine has no codes."}]


def test_a_null_beyond_every_number_lies_on_the_track() -> None:
    far = COLOURS._replace(null=Interval(500.0, math.nan, math.nan))
    card = leakage_card("mine", {"wardrobe": Found(far)})
    assert reach(card) == 500.0 and 'style="left:100.00%"' in render(card, [])


def test_without_anything_there_is_no_card() -> None:
    with pytest.raises(DataError, match=r"Nothing could be measured of mine, .* render more"):
        leakage_card("mine", {"far": LeftOut("far", "mine", "It is too dark; render more.")})


def test_cards_stand_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, found in (("one", Found(COLOURS)), ("two", Found(COLOURS, AREA))):
        (tmp_path / name).mkdir()
        write_card(leakage_card(name, {"wardrobe": found, "attack": found}), [], tmp_path / name)
    with pytest.raises(SystemExit) as stop:
        main(["compare", "--cards", str(tmp_path / "one"), str(tmp_path / "two" / "card.json")])
    assert not stop.value.code
    shown = capsys.readouterr().out
    assert "84.2" in shown and "120.0" in shown and "one" in shown and "two" in shown
    twice = [str(tmp_path / "one"), str(tmp_path / "one"), str(tmp_path / "two"), "--out", str(tmp_path / "beside")]
    with pytest.raises(SystemExit) as stop:
        main(["compare", "--cards", *twice])
    assert not stop.value.code
    page, table, vectors = (
        (tmp_path / "beside" / f"cards.{kind}").read_text("utf-8") for kind in ("html", "md", "svg")
    )
    assert "Leakage cards of one (1), one (2) and two" in page and "84 mm, 40 times" in page
    assert vectors.count("84.2") == 3 and vectors.count("120.0") == 1, "each card's number, where it has it"
    assert "| number | one (1) | one (2) | two |" in table and "| – | – | 120.0" in table
    assert Image.open(tmp_path / "beside" / "cards.png").size[0] == 1350
    (tmp_path / "file").touch()
    for wrong, words in (
        (["compare", str(tmp_path)], "expected two, A and B"),
        (["compare", "--cards", str(tmp_path)], "no card at"),
        (["compare", "--cards", str(tmp_path / "one"), "--out", str(tmp_path / "file")], "cannot be written"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(wrong)
        assert stop.value.code == 2
        said = capsys.readouterr().err
        assert words in said and said.count("\n") == 1


def test_tables_of_numbers_show_interval_and_null() -> None:
    table = beside_table(
        "Far", {"one": [COLOURS, FOOLED], "two": [FOOLED]}, ["colours_seen_mpjpe_mm", "codes_fooled", "gone"]
    ).table
    assert table.columns == (
        "network",
        "spread over colours, mm",
        "one grey level",
        "codes: past 175 mm, %",
        "random direction",
    )
    assert [cell.text for cell in table.rows[0].cells] == ["84.2", "2.1", "85\xa0%", "2\xa0%"]
    assert table.rows[0].cells[0].small == "70.0–99.0" and [cell.text for cell in table.rows[1].cells][:2] == ["–", "–"]
    whole = all_numbers("one", [COLOURS])
    assert [cell.text for cell in whole.table.rows[0].cells] == ["84.2", "mm", "2.1", "one grey level"]


def test_a_crossed_set_is_looked_for_beside_the_dataset(tiny_dataset: Path, tmp_path: Path) -> None:
    data = open_dataset(tiny_dataset)
    assert open_crossed(data, None) is None
    with pytest.raises(DataError, match="'confounded', expected crossed"):
        open_crossed(data, tiny_dataset)
