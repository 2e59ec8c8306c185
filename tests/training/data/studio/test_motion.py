import numpy as np
import pytest

from turncoat.training.data.studio import clips, motion
from turncoat.training.data.studio.body import load_body

SEEN = [a for a in clips.ACTIONS if a not in clips.UNSEEN_ACTIONS]


@pytest.mark.parametrize("action", SEEN)
def test_splits_never_share_motion(action):
    pieces = {split: clips.segments(action, split) for split in ("train", "validation", "held-out")}
    assert pieces["train"] and pieces["held-out"]
    names = list(pieces)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            for s in pieces[a]:
                for t in pieces[b]:
                    apart = max(s.start_s, t.start_s) - min(s.end_s, t.end_s)
                    assert s.clip != t.clip or apart >= clips.GAP_S - 1e-9, (s, t)
    assert all(s.end_s > s.start_s for split in pieces.values() for s in split)


@pytest.mark.parametrize("action", clips.UNSEEN_ACTIONS)
def test_unseen_actions_are_in_no_other_split(action):
    assert clips.segments(action, "unseen motion")
    assert not any(clips.segments(action, split) for split in ("train", "validation", "held-out"))


@pytest.mark.parametrize("action", ["walking", "directing_traffic", "cartwheel", "punch"])
def test_a_movement_is_made_of_rotations_and_stays_within_its_split(action):
    body = load_body("b3")
    moved = motion.compose(body, action, "held-out", np.arange(20) * 0.4, np.random.default_rng(5))
    assert np.allclose(moved.rotation @ moved.rotation.swapaxes(-1, -2), np.eye(3), atol=1e-6)
    assert np.allclose(np.linalg.det(moved.rotation), 1, atol=1e-6)
    pieces = clips.segments(action, "held-out")
    for name, t in zip(moved.motion_id, moved.motion_time_s, strict=True):
        assert any(s.clip == name and s.start_s - 1e-6 <= t <= s.end_s + 1e-6 for s in pieces)


def test_the_standing_foot_stays_low_in_walking():
    body = load_body("b1")
    clip = clips.load_clip("walking_01", body.rig.bones)
    rotation, root = motion._sample(clip, body, np.arange(0, clip.seconds, 1 / 30))
    joints = body.joints(rotation, motion.place_bones(body, rotation, root))
    lowest_foot = joints[:, [3, 6], 1].min(1)
    assert np.ptp(lowest_foot) < 60  # mm: one foot is always down
    slide = np.linalg.norm(np.diff(joints[:, [3, 6]][:, :, [0, 2]], axis=0), axis=-1).min(1)
    assert np.median(slide) < 15  # and the standing foot hardly moves between frames


def test_mirroring_swaps_left_and_right():
    index = motion._mirror_index(load_body("b1").rig.bones)
    bones = load_body("b1").rig.bones
    assert bones[index[bones.index("LeftArm")]] == "RightArm" and bones[index[bones.index("RThumb")]] == "LThumb"
    assert [index[i] for i in index] == list(range(len(bones)))


def test_no_held_out_walk_continues_a_training_walk():
    """Where a trial was cut in two, the root's path goes on within centimetres; its clips must not be on both sides."""
    data = clips.cmu_data()

    def path(name):
        return data[f"clip/{name}"][:, [0, 2]]

    trained = [s.clip for s in clips.segments("walking", "train")]
    for split in ("held-out", "validation"):
        for other in (s.clip for s in clips.segments("walking", split)):
            for own in trained:
                if abs(int(own[-2:]) - int(other[-2:])) == 1:  # parts of a trial stand next to each other
                    earlier, later = sorted((own, other))
                    assert np.linalg.norm(path(earlier)[-1] - path(later)[0]) > 150, (own, other)
