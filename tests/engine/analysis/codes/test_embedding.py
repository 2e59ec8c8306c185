"""Neighbours and probes on codes that know the person, the action, or neither; and an embedding that never changes."""

import json

import numpy as np
import pytest
import torch

from fixtures.leaky import ACTIONS, LeakyFrames, Nobody, leaky_codes
from turncoat.engine.analysis.codes import EmbeddingSettings, embedding
from turncoat.engine.analysis.codes.embedding import ask_codes, embed
from turncoat.engine.analysis.codes.neighbours import nearest, vote
from turncoat.kernels.errors import DataError

SETTINGS = EmbeddingSettings(frames=120, perplexity=10, iterations=(30, 30), neighbours=5, shuffles=60, draws=100)


@pytest.fixture(scope="module")
def result():
    codes = leaky_codes()
    return embedding(Nobody(), codes.dataset, SETTINGS, codes=codes)


def test_codes_tell_what_they_hold_and_nothing_else(result):
    found = {(one.code, one.column, one.way): one for one in result.accuracies}
    assert len(found) == 12
    for way in ("knn", "probe"):
        assert found["appearance", "subject", way].found.value == 1
        assert found["pose_code", "action", way].found.value > 0.9
        assert found["true_pose", "action", way].found.value > 0.9
        for code, column, chance in (
            ("appearance", "action", 1 / 3), ("pose_code", "subject", 1 / 4), ("true_pose", "subject", 1 / 4),
        ):  # fmt: skip
            one = found[code, column, way]
            assert one.found.value < 2 * chance and one.null.low <= one.found.value <= one.null.high + 0.05
            assert one.null.value == pytest.approx(chance, abs=0.06) and one.commonest == pytest.approx(chance)


def test_half_a_leak_lies_between():
    shares = {}
    for leak in (0.0, 0.15, 2.0):
        accuracies = ask_codes(leaky_codes(leak), ["subject"], SETTINGS)
        (shares[leak],) = (one.found.value for one in accuracies if (one.code, one.way) == ("pose_code", "knn"))
    assert shares[0.0] + 0.1 < shares[0.15] < shares[2.0] == 1


def test_the_embedding_is_the_same_every_time_and_apart_by_person(result):
    codes = leaky_codes()
    shown = codes.test.spread(SETTINGS.frames)
    again = embed(shown.array("appearance"), SETTINGS)
    assert np.array_equal(again, result.positions["appearance"])
    person = result.labels["subject"]
    centres = np.array([again[person == name].mean(0) for name in np.unique(person)])
    within = np.mean([again[person == name].std() for name in np.unique(person)])
    assert np.linalg.norm(centres[:, None] - centres[None], axis=-1)[np.triu_indices(4, 1)].min() > within


def test_facts_hold_all_that_the_picture_needs(result):
    facts = json.loads(json.dumps(result.facts(), allow_nan=False))
    assert len(facts["rows"]) == len(facts["positions"]["pose_code"]) == len(facts["labels"]["action"]) == 120
    assert facts["numbers"]["knn_subject_appearance"]["null"]["name"] == "labels of recordings exchanged"
    assert "4 classes" in facts["numbers"]["probe_subject_pose_code"]["note"]


def test_neighbours_are_never_of_the_same_recording_or_clip():
    random = np.random.default_rng(0)
    library = torch.from_numpy(random.normal(size=(60, 3)))
    sequence, clip = np.repeat(np.arange(12), 5), np.repeat(np.arange(6), 10)
    near = nearest(library, library, [(sequence, sequence), (clip, clip)], 4)
    assert near.shape == (60, 4) and not (clip[near] == clip[:, None]).any()
    apart = torch.cdist(library, library).numpy()
    allowed = np.where(clip[:, None] == clip[None], np.inf, apart)
    assert np.array_equal(np.sort(near, axis=1), np.sort(np.argsort(allowed, axis=1)[:, :4], axis=1))
    with pytest.raises(DataError, match="fewer than 51 frames of other recordings"):
        nearest(library, library, [(clip, clip)], 51)


def test_the_commonest_label_wins_and_the_nearest_of_equally_common_ones():
    labels = np.array([["a", "b", "b"], ["c", "a", "b"], ["b", "a", "a"]])
    assert vote(labels).tolist() == ["b", "c", "a"]


def test_what_cannot_be_asked_is_left_out_with_a_sentence():
    frames = LeakyFrames()
    frames._columns["action"] = np.full(len(frames), ACTIONS[0])
    result = embedding(Nobody(), frames, SETTINGS, codes=leaky_codes(frames=frames))
    assert list(result.labels) == ["subject"]
    assert result.left_out == ["The training frames have one action, so there is nothing to tell apart."]
    for name in ("subject", "body", "wardrobe"):
        frames._columns[name] = np.full(len(frames), "P1")
    with pytest.raises(DataError, match="neither several actions nor several people"):
        embedding(Nobody(), frames, SETTINGS, codes=leaky_codes(frames=frames))


def test_too_few_frames_for_the_perplexity_are_refused():
    codes = leaky_codes()
    with pytest.raises(DataError, match="too few for a t-SNE of perplexity 100"):
        embedding(Nobody(), codes.dataset, SETTINGS.model_copy(update={"perplexity": 100.0}), codes=codes)
