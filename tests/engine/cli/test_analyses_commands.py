"""`turncoat analyze`, `paper` and `card` from end to end: an untrained network, stick figures, all that is written."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.lively import STEP_SIZES, lively
from turncoat.engine.analysis import apart, family
from turncoat.engine.analysis.analyse import open_case, open_cases
from turncoat.engine.analysis.apart import analyse_apart
from turncoat.engine.analysis.catalogue import ANALYSES, LeftOut, chosen, look
from turncoat.engine.cli import main
from turncoat.kernels.errors import ConfigError, DataError, EngineError, TurncoatError
from turncoat.training.checkpoint import save_network
from turncoat.training.data import open_dataset

LEFT_OUT = {
    "wardrobe": "no crossed set",
    "swap": "has no part labels",
    "channels": "has no part labels",
    "dependence": "a distance correlation of 400 was asked for",
}
"""What the stick figures do not allow, and words of why."""
DONE = set(ANALYSES) - set(LEFT_OUT)


@pytest.fixture(scope="module")
def weights(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "nsd.safetensors"
    metadata = {"method": "nsd", "images": 1000, "attack_step_size": STEP_SIZES}
    save_network(path, lively("person", open_dataset(tiny_dataset)), metadata)
    return path


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_info:
        main([*map(str, arguments)])
    return int(exit_info.value.code or 0)


@pytest.fixture(scope="module")
def made(tiny_dataset: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("paper") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(family, "SETTINGS", family.SETTINGS.model_copy(update={"iterations": 5}))
        assert run("paper", weights, "--data", tiny_dataset, "--out", out, "--per-subject", 2) == 0
    return out


def test_paper_writes_tables_figures_and_one_page(made: Path) -> None:
    written = {path.name for path in made.iterdir()}
    assert written == {"analyses.html", "analyses.md", "analyses.json", "figures", "tables", "runs", "analyses"}
    for names in (("tables", "tables.html"), ("runs", "nsd"), ("figures", "embedding-nsd.png")):
        assert made.joinpath(*names).exists(), names
    text, page = (made / "analyses.md").read_text(), (made / "analyses.html").read_text()
    for words in ("Tables 1, 2 and 4", "What the paper printed", *(one.title for one in ANALYSES.values())):
        assert words in text and words in page, words
    assert page.count("data:image/png;base64,") == len(list((made / "figures").glob("*.png")))


def test_what_the_data_does_not_allow_is_left_out_with_the_reason(made: Path) -> None:
    document = json.loads((made / "analyses.json").read_text())["analyses"]
    text = (made / "analyses.md").read_text()
    assert list(document) == list(ANALYSES)
    for key, words in LEFT_OUT.items():
        (one,) = document[key]["left_out"]
        assert words in one["why"] and one["why"] in text and not document[key]["networks"]
    for key in DONE:
        assert document[key]["networks"]["nsd"]["numbers"], key
        why = [one["why"] for one in document[key]["left_out"]]
        assert len(why) == (key == "attack") and all("Colours are not attacked" in one for one in why), key
        for figure in document[key]["figures"]:
            assert (made / "figures" / figure).stat().st_size > 1000


def test_one_analysis_by_name_gives_the_same_numbers(
    made: Path, tiny_dataset: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("analyze", weights, "--data", tiny_dataset, "--only", "zero", "--out", tmp_path, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document["analyses"]) == ["zero"]
    before: dict[str, Any] = json.loads((made / "analyses.json").read_text())
    of_paper, alone = (one["analyses"]["zero"]["networks"]["nsd"]["numbers"] for one in (before, document))
    assert alone == of_paper


def test_processes_give_the_same_numbers_in_the_same_order(
    made: Path, tiny_dataset: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = tmp_path / "another.safetensors"
    shutil.copy(weights, second)
    assert run("analyze", second, weights, "--data", tiny_dataset, "--only", "zero", "--only", "wardrobe",
               "--workers", 2, "--out", tmp_path / "out", "--json") == 0  # fmt: skip
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["analyses"]
    assert list(found["zero"]["networks"]) == ["another", "nsd"]
    assert [one["network"] for one in found["wardrobe"]["left_out"]] == ["another", "nsd"]
    before = json.loads((made / "analyses.json").read_text())["analyses"]["zero"]["networks"]["nsd"]["numbers"]
    for numbers in (one["numbers"] for one in found["zero"]["networks"].values()):
        assert numbers == before


def test_a_process_that_dies_is_a_sentence(tiny_dataset: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = open_dataset(tiny_dataset)
    cases = [replace(open_case(str(weights), dataset), source="/dev/null/" + name) for name in ("a", "b")]
    with pytest.raises(TurncoatError, match="There are no weights"):  # what a worker comes upon is told here
        analyse_apart(chosen(["zero"]), cases, 2)
    monkeypatch.setattr(apart, "_begin", os._exit)
    with pytest.raises(EngineError, match=r"process .* died.*fewer --workers"):
        analyse_apart(chosen(["zero"]), cases, 2)
    with pytest.raises(ConfigError, match="at least 1"):
        analyse_apart(chosen(["zero"]), cases, 0)
    with pytest.raises(ConfigError, match="not opened by name"):
        analyse_apart(chosen(["zero"]), [replace(cases[0], source=None)], 2)


def test_a_dataset_without_groups_is_looked_at_whole(tiny_dataset: Path, weights: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path / "plain"
    shutil.copytree(tiny_dataset, folder)
    index = pq.read_table(folder / "index.parquet")
    place = index.schema.get_field_index("group")
    empty = pa.array([""] * len(index)).cast(index.schema.field("group").type)
    pq.write_table(index.set_column(place, index.schema.field("group"), empty), folder / "index.parquet")
    dataset = open_dataset(folder)
    (case,) = open_cases([str(weights)], dataset, tmp_path)
    assert case.group is None
    for key in ("attack", "zero", "probes"):
        found = look(ANALYSES[key], case)
        assert not isinstance(found, LeftOut), found
    with pytest.raises(DataError, match="dance"):
        open_cases([str(weights)], dataset, tmp_path, group="dance")
    assert open_cases([str(weights)], open_dataset(tiny_dataset), tmp_path)[0].group == "everyday"
    assert open_cases([str(weights)], open_dataset(tiny_dataset), tmp_path, group="all")[0].group is None


def test_a_card_holds_what_could_be_measured(tiny_dataset: Path, weights: Path, tmp_path: Path) -> None:
    assert run("card", weights, "--data", tiny_dataset, "--out", tmp_path) == 0
    card = json.loads((tmp_path / "card.json").read_text())
    assert {line["analysis"] for line in card["lines"]} == {"probes", "attack"}
    assert {one["analysis"] for one in card["left_out"]} == {"wardrobe", "attack", "swap", "dependence"}
    page = (tmp_path / "card.html").read_text()
    assert [one["family"] for one in card["curves"]] == ["codes"] and "Error over the budget" in page
    assert all(one["why"].split(";")[0][:40] in page for one in card["left_out"])


def test_a_name_that_is_no_analysis(tiny_dataset: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("analyze", weights, "--data", tiny_dataset, "--only", "clothes") == 2
    assert "no analysis 'clothes'; choose from wardrobe" in " ".join(capsys.readouterr().err.split())
