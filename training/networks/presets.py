"""What a network is made of: its settings, and the two presets that name a whole set of them."""

from typing import Literal

from pydantic import model_validator

from turncoat.kernels import ConfigError
from turncoat.kernels.settings import Settings

Head = Literal["official", "wide"]
Regressor = Literal["standardised", "literal"]
Paints = Literal["person", "crop", "nothing"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class NetworkSettings(Settings):
    """The shape of a disentangled network. Sources are in methods.md section 1; [choice] marks what is ours.

    preset: "studio" (compact layers, what a CPU trains) or "paper" (the official layers, 1.2 to 1.5).
    head: "official" passes everything through one vector of 128 sigmoids (1.3), so that the pose code determines the
        appearance code by construction; "wide" maps the last feature map straight to the 728 numbers [choice].
    paints: what the decoder makes. "person": colours and mask of a person, put where the detector found one (NSD, CSSL,
        DRNet); "crop": a whole crop with its background, without detector and mask: both are given (UGAR, methods
        section 2); "nothing": there is no decoder, the network only predicts poses.
    frame_size: height and width of a frame in pixels. Official frames: not in its code; 500 [choice]. Studio: a
        multiple of 32.
    crop_size: height and width of a crop. 128 in the paper. Studio: a multiple of 16.
    appearance_size, pose_points: |h_a| = 128 and 200 points of three coordinates (1.3).
    box_bias: initial raw output of the detector. Official (.5, .5, 0, 0) gives scales of .698; studio starts upright,
        .6 wide and .85 high [choice].
    scale_minimum, scale_maximum, shift_limit: bounds of the box (1.2).
    window_gain: the bump window times this, cut at 1. Official 1; studio 4, a flat top, because a crop of 64 pixels
        has none to spare [choice].
    renormalise_mask: divide the mask at full frame by its maximum once more (1.6); studio does not [choice].
    regressor_hidden: width of the pose regressor's hidden layers; 2048 in the official code (section 5).
    regressor: "standardised" is better conditioned (section 5, measured pitfall); "literal" is the official order.
    regressor_dropout: .5 in the official code; studio .3 [choice].
    regressor_layers: hidden layers; "2 layer pose regressor" can be read either way (section 5), two [choice].
    """

    preset: Literal["studio", "paper"]
    head: Head = "official"
    paints: Paints = "person"
    frame_size: int
    crop_size: int
    appearance_size: int = 128
    pose_points: int = 200
    box_bias: tuple[float, float, float, float]
    scale_minimum: float = 0.2
    scale_maximum: float = 1.0
    shift_limit: float = 0.8
    window_gain: float
    renormalise_mask: bool
    regressor_hidden: int
    regressor: Regressor = "standardised"
    regressor_dropout: float
    regressor_layers: Literal[1, 2] = 2

    @model_validator(mode="after")
    def _fits(self) -> "NetworkSettings":
        for name, size, step in (("frame_size", self.frame_size, 32), ("crop_size", self.crop_size, 16)):
            if self.preset == "studio" and (size < step or size % step):
                raise ValueError(f"the studio layers need a {name} that is a multiple of {step}, not {size}")
        return self

    @property
    def pose_size(self) -> int:
        """Numbers of the pose code: 600."""
        return 3 * self.pose_points


STUDIO = NetworkSettings(
    preset="studio",
    frame_size=128,
    crop_size=64,
    box_bias=(0.0, 1.5, 0.0, 0.0),
    window_gain=4.0,
    renormalise_mask=False,
    regressor_hidden=1024,
    regressor_dropout=0.3,
)
PAPER = NetworkSettings(
    preset="paper",
    frame_size=500,
    crop_size=128,
    box_bias=(0.5, 0.5, 0.0, 0.0),
    window_gain=1.0,
    renormalise_mask=True,
    regressor_hidden=2048,
    regressor_dropout=0.5,
)
PRESETS = {settings.preset: settings for settings in (STUDIO, PAPER)}


def preset(name: str, **changes: object) -> NetworkSettings:
    """The preset `name` with some settings changed.

    Raises:
        ConfigError: there is no such preset, no such setting, or a value that does not fit.
    """
    if name not in PRESETS:
        raise ConfigError(f"There is no network preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return NetworkSettings.load(None, PRESETS[name].model_dump() | changes)
