import pytest

from turncoat.training.data.studio import recipe as recipes

KEPT = ("train.S1.walking.000", "held-out.S2.jumping.000", "held-out.S3.cartwheel.000", "unseen-scene.S1.walking.000")
_WHOLE = recipes.plan


def _few(preset, recipe, seed=0):
    sequences, chosen = _WHOLE(preset, recipe, seed)
    return [s for s in sequences if s.key in KEPT], chosen


@pytest.fixture
def few_sequences(monkeypatch):
    """Cuts every plan to a few sequences, so that rendering takes seconds."""
    monkeypatch.setattr(recipes, "plan", _few)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """A small studio dataset and what render_dataset said of it."""
    from turncoat.training.data import open_dataset
    from turncoat.training.data.studio.render import render_dataset

    folder = tmp_path_factory.mktemp("studio") / "ds"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes, "plan", _few)
        info = render_dataset(folder, preset="demo", size=64, workers=1)
    return open_dataset(folder), info
