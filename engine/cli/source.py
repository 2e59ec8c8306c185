"""What `turncoat attack` attacks: frames of a dataset, or pictures of one's own."""

from pathlib import Path

from turncoat.engine.sweep import Selection
from turncoat.engine.sweep.networks import open_network
from turncoat.export.bundle import is_bundle
from turncoat.kernels.errors import ConfigError
from turncoat.training.checkpoint import Network, find_weights, weights_name
from turncoat.training.data import Dataset, open_dataset, open_pictures

DEFAULT_NETWORK = "nsd"
DOUBTFUL = 0.002
"""Share of a median's pixels in doubt past which a person is told: 33 of 128 x 128, less than a hand. [choice]"""


def source_of(
    argument: Path, network: str | None, images: Path | None, background: str | None, selection: Selection
) -> tuple[Dataset, Network]:
    """The frames and the generator: of ``DATASET --network NETWORK``, or of ``NETWORK --images DIR --background ...``.

    Raises:
        ConfigError: options of the one form with the other, pictures without a background.
        DataError: weights, dataset or pictures cannot be read.
    """
    if images is None:
        if background is not None:
            raise ConfigError("--background goes with --images; a dataset has backgrounds of its own: leave it out.")
        generator = open_network(network or DEFAULT_NETWORK)
        return open_dataset(argument), generator
    if network is not None:
        raise ConfigError(
            f"With --images the argument is the network, and it is {str(argument)!r} beside --network {network!r}; "
            f"give one of them: turncoat attack {network} --images {images} --background ..."
        )
    if selection != Selection():
        raise ConfigError(
            "Own pictures have no splits, groups or subjects, and all of them are attacked; leave out --split, "
            "--group, --subject and --per-subject."
        )
    generator = open_network(argument)
    return open_pictures(images, background=background, size=generator.settings.frame_size), generator


def new_run_folder(weights: Path, frames: Path, resume: bool) -> Path:
    """A folder below runs/ that is not there yet, named after network and frames: runs/nsd-photos, runs/nsd-photos-2.

    Raises:
        ConfigError: `resume`, for then it has to be said which run.
    """
    if resume:
        raise ConfigError("Which run shall go on? Give its folder with --out.")
    file = weights if is_bundle(weights) else find_weights(weights)
    place = Path("runs") / f"{weights_name(file)}-{frames.resolve().name}"
    number = 1
    while (taken := place if number == 1 else place.with_name(f"{place.name}-{number}")).exists():
        number += 1
    return taken
