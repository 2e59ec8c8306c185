"""The paper's printed numbers, and that what we say of their contradictions is so."""

import json

import pytest

from turncoat.engine.analysis.paper_values import (
    AVERAGE,
    NOTES,
    SUBJECTS,
    TABLE_1,
    TABLE_2,
    TABLE_4,
    facts,
    mse_of_psnr,
    paper_network,
    row_mean,
    table_3,
)

NETWORKS = ("NSD", "DRNet", "CSSL")


def test_the_printed_averages_that_contradict_their_rows_are_those_that_the_notes_name() -> None:
    wrong = [
        (name, kind)
        for name in NETWORKS
        for kind in (0, 1)
        if abs(round(row_mean(name)[kind], 1) - TABLE_1[name][AVERAGE][kind]) > 0.051
    ]
    assert wrong == [("DRNet", 1), ("CSSL", 1)]
    assert row_mean("CSSL")[1] == pytest.approx(187.76) and TABLE_1["CSSL"][AVERAGE][1] == 207.5
    assert row_mean("DRNet")[1] == pytest.approx(178.14)
    assert max(TABLE_1["CSSL"][subject][1] for subject in SUBJECTS) < 197
    assert all(word in NOTES[0] for word in ("207.5", "187.8", "178.1", "below 197"))


def test_the_column_of_averages_is_off_too() -> None:
    first = [sum(TABLE_1[name]["S1"][kind] for name in NETWORKS) / 3 for kind in (0, 1)]
    assert [round(mean, 1) for mean in first] == [22.1, 175.4] and TABLE_1[AVERAGE]["S1"] == (21.6, 174.2)
    over_all = sum(row_mean(name)[1] for name in NETWORKS) / 3
    assert round(over_all, 1) == 181.8 and TABLE_1[AVERAGE][AVERAGE][1] == 176.8
    assert all(word in NOTES[1] for word in ("22.1", "175.4", "181.8"))


def test_psnr_and_mse_agree_only_if_the_mse_is_a_sum_over_channels() -> None:
    printed = {**TABLE_2, **TABLE_4}
    ratios = [pictures.mse / mse_of_psnr(pictures.psnr_db) for pictures in printed.values()]
    assert len(ratios) == 4 and all(3.05 < ratio < 3.6 for ratio in ratios)
    assert mse_of_psnr(24.65) == pytest.approx(0.0034, abs=5e-5)


def test_only_the_papers_own_methods_have_a_network_in_it() -> None:
    assert [paper_network(name) for name in ("nsd", "cssl", "drnet")] == ["NSD", "CSSL", "DRNet"]
    assert table_3("cssl-da") == {"DC(A, P)": 0.62} and table_3("cssl")["DC(A, P)"] == 0.77
    assert table_3("cssl-decorrelated") == table_3("nsd-wide") == {}
    assert paper_network("ugar") is None and paper_network("nsd-wide") is None


def test_all_of_it_is_json() -> None:
    document = json.loads(json.dumps(facts(), allow_nan=False))
    assert document["table_1"]["CSSL"]["S8"] == {"initial_mm": 30.5, "final_mm": 186.9}
    assert document["table_4"]["CSSL(DA)"]["psnr_db"] == 22.9
