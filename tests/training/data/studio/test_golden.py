"""What the renderer makes is tied to its version: who changes a picture or a split has to raise RENDERER_VERSION."""

import hashlib

import numpy as np

from turncoat.training.data.studio import clips, crossed, crossed_render
from turncoat.training.data.studio import recipe as recipes
from turncoat.training.data.studio.render import backgrounds_8bit
from turncoat.training.data.studio.stage import View, stage

VERSION = 3
SEGMENTS = "22fc9b99f8e4e308"
#: of the default preset at 128 pixels
FINGERPRINTS = {"confounded": "fe43c3e3974978444a31071c3e80be8d", "decorrelated": "ea6411822438185a5cc7d54cae7a4d42"}
#: mean of the frame's 8-bit values, share of the frame that the person covers, x and y of the right wrist in world mm
FRAMES = {
    "train.S1.walking.000": (132.0238, 0.0476, -45.4282, 964.3644),
    "held-out.S2.jumping.000": (112.6629, 0.0319, 383.2783, 912.0967),
    "train.S3.cartwheel.001": (132.8905, 0.0562, 346.1921, 215.2625),
    "unseen-subject.S6.dance.000": (111.5757, 0.0494, -38.6763, 1627.879),
    "unseen-scene.S4.roll.000": (131.7783, 0.0342, 148.0686, 396.1726),
}
#: of the recipe crossed: its own version, its plan, and values of frames as above
CROSSED_VERSION = 1
CROSSED_PLAN = "b85ada008833447d"
CROSSED_FRAMES = {
    ("anchor", ""): (123.7178, 0.0657, 161.3143, 980.9613),
    ("colours", "w6"): (123.462, 0.0657, 161.3143, 980.9613),
    ("shape", "w2"): (123.9365, 0.069, 161.3143, 980.9613),
    ("body", "b6"): (124.7373, 0.0487, 210.6066, 878.6477),
    ("shadow", "cast"): (123.0072, 0.0657, 161.3143, 980.9613),
}


def look(key: str) -> tuple[float, float, float, float]:
    sequence = next(s for s in recipes.plan("default", "confounded")[0] if s.key == key)
    staged, view = stage(sequence, 0, 64), View(64)
    view.draw(staged, 10, 2)
    background = backgrounds_8bit(sequence.scene, 64)[2].astype(np.float32) / np.float32(255)
    frame, alpha = view.picture(staged.dressed.wardrobe.colours(), background)
    wrist = staged.joints[10, 16]
    return float(frame.mean()), float(alpha.mean() / 255), float(wrist[0]), float(wrist[1])


def crossed_plan() -> str:
    plan = [(pose, crossed.levels(pose)) for pose in crossed.plan_poses("default")]
    return hashlib.sha256(repr(plan).encode()).hexdigest()[:16]


def look_crossed(factor: str, name: str) -> tuple[float, float, float, float]:
    """Of the first base pose, in front of grey."""
    acted, view = crossed_render.cast(crossed.plan_poses("default")[0], 0, 64), View(64)
    level = next(each for each in acted.levels if (each.factor, each.name) == (factor, name))
    staged = acted.drawn(view, level)
    frame, alpha = view.picture(staged.dressed.wardrobe.colours(), np.full((64, 64, 3), 0.5, np.float32))
    wrist = staged.joints[0, 16]
    return float(frame.mean()), float(alpha.mean() / 255), float(wrist[0]), float(wrist[1])


def segment_table() -> str:
    splits = ("train", "validation", "held-out", "unseen motion")
    table = [
        (a, s, p.clip, round(p.start_s, 4), round(p.end_s, 4))
        for a in clips.ACTIONS
        for s in splits
        for p in clips.segments(a, s)
    ]
    return hashlib.sha256(repr(table).encode()).hexdigest()[:16]


def test_the_version_is_the_one_these_values_were_taken_at():
    assert recipes.RENDERER_VERSION == VERSION


def test_fingerprints_are_those_of_the_version():
    found = {recipe: recipes.fingerprint(recipe, "default", 0, 128, False) for recipe in FINGERPRINTS}
    assert found == FINGERPRINTS


def test_splits_are_those_of_the_version():
    assert segment_table() == SEGMENTS


def test_pictures_and_poses_are_those_of_the_version():
    for key, expected in FRAMES.items():
        assert np.allclose(look(key), expected, rtol=0, atol=(0.05, 5e-4, 0.5, 0.5)), key


def test_the_crossed_recipe_is_that_of_its_version():
    assert crossed.VERSION == CROSSED_VERSION and crossed_plan() == CROSSED_PLAN
    for level, expected in CROSSED_FRAMES.items():
        assert np.allclose(look_crossed(*level), expected, rtol=0, atol=(0.05, 5e-4, 0.5, 0.5)), level


if __name__ == "__main__":  # print the values of the present version
    print(segment_table(), {key: tuple(round(v, 4) for v in look(key)) for key in FRAMES})
    print(crossed_plan(), {key: tuple(round(v, 4) for v in look_crossed(*key)) for key in CROSSED_FRAMES})
