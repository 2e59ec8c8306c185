"""Any batch runs at the fixed sizes there are, with as little waste as they allow."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from turncoat.engine.runtime.ladder import CALL, check_batch, padded, pieces
from turncoat.kernels import ConfigError, DataError

LADDERS = st.lists(st.integers(1, 40), min_size=1, max_size=4, unique=True).map(sorted)


@given(st.integers(1, 300), LADDERS)
def test_pieces_cover_a_batch_in_order_and_pad_none_but_the_last(batch, rungs):
    found = pieces(batch, rungs)
    assert [piece.begin for piece in found] == [0, *(piece.end for piece in found[:-1])]
    assert found[-1].end == batch
    assert all(piece.rung in rungs and piece.end - piece.begin <= piece.rung for piece in found)
    assert all(piece.end - piece.begin == piece.rung for piece in found[:-1])


@given(st.integers(1, 12), LADDERS)
def test_no_other_cut_costs_less(batch, rungs):
    cost = sum(piece.rung + CALL for piece in pieces(batch, rungs))
    for count in range(1, batch + 1):
        for cut in itertools.combinations_with_replacement(rungs, count):
            if sum(cut) >= batch:
                assert cost <= sum(rung + CALL for rung in cut) + 1e-9


@pytest.mark.parametrize(
    "batch, rungs",
    [(9, [8, 1]), (15, [8, 8]), (31, [32]), (33, [32, 1]), (70, [64, 8]), (200, [64, 64, 64, 8])],
)
def test_a_usual_ladder_wastes_little(batch, rungs):
    assert [piece.rung for piece in pieces(batch, (1, 8, 32, 64))] == rungs


def test_a_long_batch_is_cut_at_once():
    found = pieces(100_003, (1, 8, 32, 64))
    assert found[-1].end == 100_003 and len(found) == 1566  # 1562 of 64, and 35 as 32 and three of 1


def test_what_is_padded_repeats_the_last_sample():
    values = torch.arange(6.0).view(3, 2)
    assert padded(values, 3) is values
    assert padded(values, 5).tolist() == [[0, 1], [2, 3], [4, 5], [4, 5], [4, 5]]


def test_an_empty_batch_and_one_that_may_not_be_cut_are_sentences():
    with pytest.raises(DataError, match="at least one sample"):
        pieces(0, (1, 8))
    check_batch(64, (1, 64), "nsd")
    check_batch(1000, None, "nsd")
    with pytest.raises(ConfigError, match=r"batch of 65 is longer than the ladder of nsd, .* 64; .*--batch 1,64,65"):
        check_batch(65, (1, 64), "nsd")
