"""Numbers and pictures of a training run."""

import json
import math
from contextlib import suppress
from pathlib import Path

import torch

from turncoat.kernels.files import atomic_path


class TrainingLog:
    """Numbers and pictures of a run, as JSON lines and for TensorBoard; what lies past `step` is forgotten."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # half a second, only when training

        self.path = folder / "log.jsonl"
        self._forget(step)
        self.board = SummaryWriter(str(folder), purge_step=step + 1)

    def __enter__(self) -> "TrainingLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.board.close()

    def _forget(self, step: int) -> None:
        if not self.path.exists():
            return
        kept = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError, KeyError):  # a line cut off by a crash
                if json.loads(line)["step"] <= step:
                    kept.append(line + "\n")
        with atomic_path(self.path) as temporary:
            temporary.write_text("".join(kept), encoding="utf-8")

    def scalars(self, step: int, images: int, values: dict[str, float]) -> None:
        line = {"step": step, "images": images} | {name: round(value, 6) for name, value in values.items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for name, value in values.items():
            self.board.add_scalar(name, value, step)

    def warning(self, step: int, sentence: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "warning": sentence}) + "\n")
        self.board.add_text("warnings", sentence, step)

    def picture(self, step: int, grid: torch.Tensor) -> None:
        """Rows of `grid` are what the method's `pictures` says."""
        self.board.add_image("input and box, same frame, other appearance, mask, turned", grid, step)
        self.board.flush()


def summary(sums: dict[str, list[float]]) -> dict[str, float]:
    """Means of the facts; squared errors over the person's pixels become decibels."""
    result = {}
    for name, (total, count) in sums.items():
        if not count:
            continue
        mean = total / count
        if name.startswith("person_mse_"):
            result["person_db_" + name.removeprefix("person_mse_")] = -10 * math.log10(mean + 1e-9)
        else:
            result[name] = mean
    return result
