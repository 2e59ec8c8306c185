"""How each network preset is trained when nothing else is said: changes to the defaults of fit and method settings."""

from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from turncoat.kernels import ConfigError
from turncoat.kernels.settings import Settings, describe
from turncoat.training.losses import IMAGE_LOSSES

Model = TypeVar("Model", bound=Settings)


class Recipe(NamedTuple):
    """Overrides of `FitSettings` and of the method's settings, as plain values."""

    fit: dict[str, Any]
    method: dict[str, Any]


# The official values (methods 1.4, 1.7, 1.8). Iterations: 200,000 of 16 frames, [choice] of methods 1.11. The
# appearance swap is on, as the seed paper describes NSD, although the released configuration turns it off.
_PAPER_FIT: dict[str, Any] = {
    "images": 3_200_000,
    "batch": 16,
    "weight_decay": 0.0,
    "clip": None,
    "warmup": 1,
    "final_rate": 1.0,
    "average": 0.0,
    "precision": "float32",
}
_PAPER_PAINTING: dict[str, Any] = {
    "image": IMAGE_LOSSES["official"].model_dump(),
    "swap": 1.0,
    "mask": 0.0,
    "cycle": 0.0,
    "everyday": None,
    "box": {"weight": 0.1, "target": 0.4, "stretch": 1.5, "centre_y": 0.0},
    "detector_rate": 1.0,
    "decoder_rate": 0.2,
}
# Preset studio: training instants come in pairs .12 s apart. A batch of 48 is six windows of eight frames, and
# all are painted, so that every method of a table paints as many frames as it sees. [choice]
_STUDIO_WINDOWS: dict[str, Any] = {"aways": 5, "d_near_s": 0.2, "d_far_s": 2.0, "rebuilt": "all"}

RECIPES: dict[str, dict[str, Recipe]] = {
    "nsd": {"studio": Recipe({}, {}), "paper": Recipe(_PAPER_FIT, _PAPER_PAINTING | {"view": 0.5})},
    "cssl": {
        "studio": Recipe({}, _STUDIO_WINDOWS),
        # Two windows of eleven frames; methods 3.3 speaks of 16 to 24 images. [choice]
        "paper": Recipe(_PAPER_FIT | {"batch": 22}, _PAPER_PAINTING),
    },
    "drnet": {"studio": Recipe({}, {}), "paper": Recipe(_PAPER_FIT, _PAPER_PAINTING)},
    "ugar": {
        "studio": Recipe({}, {}),
        # 400,000 iterations of 32 frames "are good", says its code (methods 1.8, 2).
        "paper": Recipe(
            _PAPER_FIT | {"batch": 32, "images": 12_800_000},
            {
                "image": IMAGE_LOSSES["ugar"].model_dump(),
                "view": 0.5,
                "swap": 1.0,
                "cycle": 0.0,
                "everyday": None,
                "decoder_rate": 1.0,
            },
        ),
    },
    "supervised": {"studio": Recipe({}, {}), "paper": Recipe({"precision": "float32"}, {})},
}


def recipe(method: str, preset: str) -> Recipe:
    """The recipe of a method for a preset; the defaults alone where there is none."""
    return RECIPES.get(method, {}).get(preset, Recipe({}, {}))


def build_settings(model: type[Model], *layers: dict[str, Any]) -> Model:
    """Settings from layers of plain values, later ones over earlier ones, nested ones key by key.

    Unlike `Settings.load`, a None counts: it is a value of its own here ("no clipping").

    Raises:
        ConfigError: a value is unknown or out of range.
    """
    values: dict[str, Any] = {}
    for layer in layers:
        values = _laid(values, layer)
    try:
        return model(**values)
    except ValidationError as error:
        raise ConfigError(describe(error)) from error


def _laid(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _laid(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
