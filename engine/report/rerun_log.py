"""An attack over its iterations, for the Rerun viewer: pictures, skeletons and the error on one time line."""

from pathlib import Path
from typing import Any

import numpy as np

from turncoat.engine.attack.film import Film
from turncoat.kernels.errors import EngineError
from turncoat.kernels.files import atomic_path
from turncoat.kernels.skeleton import BONES

COLOURS = {"truth": (141, 137, 129), "clean": (33, 102, 172), "attacked": (214, 96, 77)}
METRES = 1e-3


def write_rerun(film: Film, file: Path, name: str) -> None:
    """Write a .rrd file: `frame/*`, `pose/*` and `error_mm` over the time line "iteration".

    Poses are in metres, camera axes (x right, y down, z forward), relative to the root.

    Raises:
        EngineError: the package rerun-sdk is not there.
    """
    try:
        import rerun
    except ImportError as error:
        raise EngineError(f"Rerun cannot be imported ({error}); pip install 'turncoat[viewer]'.") from error
    with atomic_path(file) as temporary:
        recording = rerun.RecordingStream("turncoat", recording_id=name)
        recording.save(str(temporary))
        recording.log("pose", rerun.ViewCoordinates.RDF, static=True)
        recording.log("frame/clean", rerun.Image(film.clean), static=True)
        for who, pose in (("truth", film.truth), ("clean", film.pose_clean)):
            if pose is not None:
                recording.log(f"pose/{who}", _skeleton(rerun, pose, who), static=True)
        for moment in film.moments:
            recording.set_time("iteration", sequence=moment.iteration)
            recording.log("frame/attacked", rerun.Image(moment.frame))
            recording.log("pose/attacked", _skeleton(rerun, moment.pose, "attacked"))
            recording.log("error_mm", rerun.Scalars(moment.error_mm))
        recording.flush()
        recording.disconnect()


def _skeleton(rerun: Any, pose: np.ndarray, who: str) -> Any:
    """The bones whose ends are both known."""
    bones = [[pose[a] * METRES, pose[b] * METRES] for a, b in BONES if np.isfinite(pose[[a, b]]).all()]
    return rerun.LineStrips3D(bones, colors=[COLOURS[who]] * len(bones), radii=0.012)
