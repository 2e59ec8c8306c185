"""Handing out parts: each once, families apart, and deadly ones found and left out."""

from hypothesis import given
from hypothesis import strategies as st

from turncoat.engine.sweep.chunks import DEATHS, Chunks

SIZES = st.integers(min_value=1, max_value=5)


@given(st.integers(0, 60), st.integers(1, 40), SIZES, SIZES, st.none() | st.integers(5, 9), st.randoms())
def test_every_part_is_handed_out_once_in_chunks_of_one_family(parts, family, workers, smallest, largest, chance):
    numbers = [number for number in range(parts) if chance.random() < 0.8]
    chunks = Chunks(numbers, family, workers, smallest, lambda number: False, largest)
    out = []
    while chunk := chunks.next():
        assert len({number // family for number in chunk}) == 1
        assert len(chunk) <= max(smallest, largest or parts)
        out += chunk
    assert sorted(out) == numbers and chunks.next() == []


def test_chunks_shrink_towards_the_end_so_that_nobody_waits_long():
    chunks = Chunks(range(64), 64, 2, 2, lambda number: False)
    sizes = []
    while chunk := chunks.next():
        sizes.append(len(chunk))
    assert sizes[0] == 16 and sizes[-1] == 2 and sizes == sorted(sizes, reverse=True)


@given(st.integers(2, 40), SIZES, SIZES, st.data())
def test_deadly_parts_are_found_and_all_others_are_done(parts, workers, smallest, data):
    deadly = data.draw(st.sets(st.integers(0, parts - 1), max_size=3))
    done: set[int] = set()
    chunks = Chunks(range(parts), parts, workers, smallest, done.__contains__)
    deaths = 0
    while chunk := chunks.next():
        for number in chunk:
            if number in deadly:
                chunks.died(chunk)
                deaths += 1
                break
            done.add(number)
    assert done == set(range(parts)) - deadly
    assert set(chunks.given_up) == deadly and len(chunks.given_up) == len(deadly)
    assert deaths <= DEATHS * len(deadly)


def test_a_death_is_not_held_against_parts_that_were_written():
    done = {0, 1}
    chunks = Chunks(range(4), 4, 1, 4, done.__contains__)
    assert chunks.next() == [0, 1, 2, 3]
    assert chunks.died([0, 1, 2, 3]) == []
    assert [chunks.next(), chunks.next(), chunks.next()] == [[2], [3], []]
    assert chunks.died([3], DEATHS) == [3], "whoever repeats by itself says how often it died"
