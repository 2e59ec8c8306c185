"""What goes wrong early is said in words, once, and nothing is said about a run that goes well."""

import pytest

from turncoat.training.networks import preset
from turncoat.training.watch import SETTLED, Watch

GOOD = {
    "mask_full": 0.055, "person_mean": 0.052, "box_scale_x": 0.51, "box_scale_y": 0.76, "box_shift_x": 0.0,
    "box_shift_y": 0.07, "adversary_right": 0.6, "appearance_variance": 1.0, "near_first": 0.7, "similarity_away": 0.3,
}  # fmt: skip


def test_a_good_run_is_silent():
    assert Watch(preset("studio")).look(SETTLED, GOOD) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mask_full": 0.001}, "mask has collapsed"),
        ({"mask_full": 0.9}, "background is painted too"),
        ({"box_scale_x": 0.205}, "stuck at its smallest size"),
        ({"box_scale_y": 0.995}, "stuck at its largest size"),
        ({"box_shift_x": -0.79}, "stuck at the frame's edge"),
        ({"adversary_right": 0.99}, "encoder is losing the game"),
        ({"appearance_variance": 1e-6}, "all alike"),
        ({"near_first": 0.1, "similarity_away": 0.999}, "do not change over time"),
    ],
)
def test_each_sign_has_its_sentence_once(change, words):
    watch = Watch(preset("studio"))
    assert watch.look(SETTLED - 1, GOOD | change) == []
    (sentence,) = watch.look(SETTLED, GOOD | change)
    assert words in sentence and list(watch.said.values()) == [sentence]
    moved = {name: value * 0.999 for name, value in change.items()}
    assert watch.look(SETTLED + 100, GOOD | moved) == []  # another number is not another sign
