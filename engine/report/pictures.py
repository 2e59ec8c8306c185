"""Pictures of the report: re-synthesised from the codes of a run, cut around the person, enlarged, inline."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from turncoat.engine.attack.settings import is_appearance
from turncoat.engine.report.facts import of_pictures
from turncoat.engine.runs import Run
from turncoat.kernels.errors import DataError, TurncoatError

if TYPE_CHECKING:
    from turncoat.training.data import Dataset

SIDE = 264  # pixels of an inline picture: sharp at twice the size at which a page shows it
_GAIN = 4


@dataclass(frozen=True)
class Sources:
    """What the pictures and true poses are made from; `missing` says in one sentence what is not there.

    Attributes:
        dataset: the run's dataset, or None.
        generator: the network that repainted, or None: then there are no repainted pictures.
        missing: why something is missing, '' if nothing is.
    """

    dataset: "Dataset | None"
    generator: Any
    missing: str


def find_sources(run: Run, data: Any = None, weights: Any = None) -> Sources:
    """Open the dataset and the generator of a run: what was given, else from where the run found them.

    What was given has to be the very dataset or weights of the run. At the run's own places, what is missing or has
    changed since is left out, and said.

    Args:
        run: opened run.
        data: an open dataset, or its folder.
        weights: a network, or a file of weights or a shipped name.

    Raises:
        DataError: what was given is not what the run used.
    """
    notes: list[str] = []
    dataset = _try(lambda: _dataset(run, data), data is not None, notes)
    generator = _try(lambda: _generator(run, weights), weights is not None, notes) if _needs_generator(run) else None
    return Sources(dataset, generator, " ".join(notes))


def open_sources(run: Run, data: Any = None, weights: Any = None, *, generator: bool = True) -> Sources:
    """As `find_sources`, but nothing may be missing.

    Args:
        run, data, weights: as there.
        generator: whether the network that repainted is wanted; recoloured clothes need none.

    Raises:
        DataError: dataset or weights are not there, or not those of the run.
    """
    return Sources(_dataset(run, data), _generator(run, weights) if generator else None, "")


def _try(load: Callable[[], Any], was_given: bool, notes: list[str]) -> Any:
    try:
        return load()
    except TurncoatError as error:
        if was_given:
            raise
        notes.append(str(error))
        return None


def _needs_generator(run: Run) -> bool:
    """Whether the run has rows of codes: recoloured clothes need no generator."""
    return any(is_appearance(name) for name in run.info["settings"]["attacks"])


def _dataset(run: Run, data: Any) -> "Dataset":
    from turncoat.training.data import Dataset, open_dataset, reopen_pictures

    wanted = run.info["dataset"]
    if isinstance(data, Dataset):
        dataset = data
    elif data is None and not Path(wanted["folder"]).is_dir():
        raise DataError(f"The run attacked {wanted['folder']}, which is not there; say where it is now with --data.")
    else:
        dataset = reopen_pictures(wanted, data) if of_pictures(run.info) else open_dataset(data or wanted["folder"])
    _same(f"The dataset {dataset.folder}", dataset.info.get("fingerprint"), wanted.get("fingerprint"), "--data")
    return dataset


def _generator(run: Run, weights: Any) -> Any:
    from turncoat.training.checkpoint import load_network, shipped_weights

    wanted = run.info["generator"]
    network, path = weights, wanted.get("path")
    if weights is None or isinstance(weights, str | Path):
        gone = path is None or not Path(path).exists()
        if weights is None and gone and wanted["name"] not in shipped_weights():
            where = f"at {path}, which is not there" if path else "in memory"
            raise DataError(f"The run's generator {wanted['name']} was {where}; say where it is with --weights.")
        network = load_network(weights or (wanted["name"] if gone else path))
    _same("The network", getattr(network, "weights_hash", None), wanted.get("weights_hash"), "--weights")
    return network


def _same(what: str, found: Any, wanted: Any, option: str) -> None:
    if found != wanted:
        raise DataError(
            f"{what} has the hash {str(found)[:12]}, but the run used {str(wanted)[:12]}; give that one with {option}."
        )


@dataclass(frozen=True)
class Strip:
    """The pictures of one example, uint8 (H, W, 3), and the square around the person.

    Attributes:
        clean: the input; `synthesis`: repainted with its own code (None where no generator is involved);
        attacked: the attacked frame; `square`: (x0, y0, x1, y1) pixels.
    """

    clean: np.ndarray
    synthesis: np.ndarray | None
    attacked: np.ndarray
    square: tuple[int, int, int, int]

    def inline(self) -> dict[str, str]:
        """The pictures as data URLs: clean, synthesis (if there is one), attacked, difference."""
        before = self.clean if self.synthesis is None else self.synthesis
        out = {
            "clean": self._url(self.clean),
            "attacked": self._url(self.attacked),
            "difference": self._url(difference(before, self.attacked)),
        }
        if self.synthesis is not None:
            out["synthesis"] = self._url(self.synthesis)
        return out

    def _url(self, picture: np.ndarray) -> str:
        x0, y0, x1, y1 = self.square
        return data_url(picture[y0:y1, x0:x1])


def strips(run: Run, sources: Sources, rows: np.ndarray) -> tuple[dict[int, Strip], str]:
    """Pictures of rows of the run's table.

    Args:
        run: opened run.
        sources: of `find_sources`.
        rows: int (N,) indices into `run.table()`, of rows that hold a code or colours.

    Returns:
        The strips by row, without those that cannot be painted, and a sentence why not ('' if all could).
    """
    of_colours = np.array(run.table()["attack"].take(rows).to_pylist(), dtype=object) == "colours"
    out: dict[int, Strip] = {}
    notes: list[str] = []
    for chosen, paintable in ((rows[~of_colours], sources.generator is not None), (rows[of_colours], True)):
        if sources.dataset is not None and paintable and len(chosen):
            try:
                out |= _paint(run, sources, chosen)
            except TurncoatError as error:  # a damaged frame, or a renderer that has changed since
                notes.append(str(error))
    return out, " ".join(notes)


def _paint(run: Run, sources: Sources, rows: np.ndarray) -> dict[int, Strip]:
    from turncoat.engine.attack import resynthesise

    assert sources.dataset is not None
    made = resynthesise(run, sources.dataset, sources.generator, rows)
    chosen = run.table().select(["sample_id", "attack"]).take(rows).to_pylist()
    boxes = sources.dataset.person_box(sources.dataset.rows([row["sample_id"] for row in chosen]))
    out = {}
    for index, row in enumerate(chosen):
        clean, synthesis, attacked = (np.moveaxis(pictures[index], 0, -1) for pictures in made)
        before = None if row["attack"] == "colours" else synthesis
        out[int(rows[index])] = Strip(clean, before, attacked, around(boxes[index], clean.shape[:2]))
    return out


def around(box: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The square (x0, y0, x1, y1) that shows a person with air around, inside a frame of (height, width).

    Args:
        box: (4,) x0, y0, x1, y1 of the person in pixels; not finite where it is unknown: then the whole frame.
    """
    height, width = size
    if not np.isfinite(box).all():
        return 0, 0, width, height
    side = int(min(max(np.ceil(1.2 * max(box[2] - box[0], box[3] - box[1])), 24), height, width))
    x0 = int(np.clip(round((box[0] + box[2] - side) / 2), 0, width - side))
    y0 = int(np.clip(round((box[1] + box[3] - side) / 2), 0, height - side))
    return x0, y0, x0 + side, y0 + side


def difference(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Fourfold difference of two uint8 pictures around middle grey: grey is no change."""
    change = after.astype(np.int16) - before.astype(np.int16)
    return np.clip(128 + _GAIN * change, 0, 255).astype(np.uint8)


def data_url(picture: np.ndarray) -> str:
    """A uint8 (H, W, 3) picture, enlarged smoothly, as a JPEG data URL."""
    image = Image.fromarray(np.ascontiguousarray(picture)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, subsampling=0, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
