"""A network of another origin behind the verb `predict`, with gradients where it has them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from turncoat.engine.targets.description import TargetSettings
from turncoat.engine.targets.postprocess import Postprocess, chosen
from turncoat.engine.targets.preprocess import Preprocess
from turncoat.engine.targets.sources import import_callable, open_file
from turncoat.kernels.errors import ConfigError, EngineError, TurncoatError
from turncoat.kernels.files import content_hash
from turncoat.training.networks import Given


class ForeignTarget(nn.Module):
    """A `PoseTarget` made of someone else's network. Frames are prepared and poses read in PyTorch, differentiably.

    Attributes:
        settings: its description.
        joints: our numbers of its J joints, rising; not 17 of them, as a rule.
        root_joints: our numbers of the joints whose mean is its origin.
        differentiable: whether gradients flow from its poses to frames; else it is attacked by queries or by transfer.
        needs_given: it is told where the person is, because its pictures are cut around the person.
        path: of the description.
        metadata, weights_hash: for run.json; the hash is of the description, the file, and a module's weights.
    """

    def __init__(self, settings: TargetSettings, source: Any, path: Path, weights: str = "") -> None:
        """Wrap `source`: a callable for tensors, or an `Ask` for arrays.

        Raises:
            ConfigError: a picture of noise gives what is no pose, or no gradient though the description promises one.
            EngineError: the source raises an error.
        """
        super().__init__()
        self.settings, self.path = settings, path
        self.name = settings.name or path.stem
        self.source = source
        self.preprocess = Preprocess(settings.input)
        self.postprocess = Postprocess(settings.output, self.name)
        self.joints, self.root_joints = self.postprocess.joints, self.postprocess.root_joints
        self.differentiable = settings.differentiable
        self.needs_given = settings.input.crop == "box"
        self.metadata = {"name": self.name, "foreign": settings.model_dump(mode="json")}
        self.weights_hash = content_hash(f"{settings.hash()} {weights}".encode())
        self.eval().requires_grad_(False)
        self.to(next((weight.device for weight in self.parameters()), torch.device("cpu")))
        self._try()

    def predict(self, frames: Tensor, *, given: Given | None = None) -> Tensor:
        """Frames (B, 3, H, W) float32 in [0, 1] -> poses (B, J, 3) mm, camera axes, relative to its root.

        given: where the people are; needed if `needs_given`.
        """
        if not self.differentiable:
            with torch.no_grad():
                return self._predict(frames, given)
        return self._predict(frames, given)

    def _predict(self, frames: Tensor, given: Given | None) -> Tensor:
        if self.needs_given and given is None:
            raise ConfigError(
                f"The target {self.name!r} is given where the person is; use `guide` with the dataset's box."
            )
        pictures = self.preprocess(frames, given)
        pose: Tensor = self.postprocess(self._ask(pictures))
        return pose

    def _ask(self, pictures: Tensor) -> Tensor:
        """Its numbers for prepared pictures."""
        wanted = self.settings
        try:
            if wanted.is_file:
                return torch.from_numpy(self.source(pictures.cpu().numpy())).to(pictures.device)
            pieces = []
            for piece in pictures.split(wanted.input.batch):
                answer = self.source(piece.cpu().numpy() if wanted.input.kind == "numpy" else piece)
                pieces.append(self._tensor(chosen(answer, wanted.output.name, self.name), piece))
        except TurncoatError:
            raise
        except Exception as error:  # someone else's code
            message = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise EngineError(
                f"The target {self.name!r} failed on pictures of shape {tuple(pictures.shape)} ({message}); check that "
                "it takes what [input] describes."
            ) from error
        return torch.cat(pieces)

    def _tensor(self, answer: Any, like: Tensor) -> Tensor:
        if isinstance(answer, Tensor):
            return answer
        if isinstance(answer, np.ndarray) and answer.dtype.kind in "fiu":
            return torch.from_numpy(answer).to(like.device)
        raise ConfigError(f"The target {self.name!r} returns a {type(answer).__name__}; expected a tensor or an array.")

    def _try(self) -> None:
        """Predict on two pictures of noise: what cannot work is said now, not in the middle of a sweep."""
        where = self.preprocess.mean.device
        random = torch.Generator().manual_seed(0)
        size = (self.settings.input.height, self.settings.input.width)
        frames = torch.rand(2, 3, *size, generator=random).to(where)
        given = Given(torch.tensor([[1.0, 1.0, 0.0, 0.0]] * 2, device=where), torch.ones_like(frames[:, :1]))
        with torch.enable_grad():
            pose = self.predict(frames.requires_grad_(True), given=given)
        if len(pose) != 2:
            raise ConfigError(f"The target {self.name!r} answered {len(pose)} poses to 2 pictures; expected one each.")
        if not self.differentiable:
            return
        gradient = None
        if pose.requires_grad:
            (gradient,) = torch.autograd.grad(pose.square().sum(), frames, allow_unused=True)
        if gradient is None:
            raise ConfigError(
                f"The target {self.name!r} is not differentiable: no gradient comes from its poses to the frames; set "
                "gradients = false to attack it by queries."
            )


def load_target(path: str | Path, overrides: dict[str, Any] | None = None) -> ForeignTarget:
    """A foreign target from its description, a TOML file, with `overrides` laid over it.

    Raises:
        ConfigError: the description is wrong, or the target is not what it says.
        DataError: its file is missing or damaged.
        EngineError: the package that runs its file is missing, or the target fails on a picture.
    """
    path = Path(path)
    settings = TargetSettings.load(path, overrides)
    folder = path.resolve().parent
    if settings.is_file:
        file = folder / settings.source
        return ForeignTarget(settings, open_file(file, settings), path, content_hash(file))
    source = import_callable(settings.source, folder)
    return ForeignTarget(settings, source, path, _hash_of(source))


def is_description(network: Any) -> bool:
    """Whether a network that was given by name is a foreign target."""
    return isinstance(network, (str, Path)) and str(network).lower().endswith(".toml")


def _hash_of(source: Any) -> str:
    """Of a module's weights; a function's are not known."""
    if not isinstance(source, nn.Module):
        return ""
    state = sorted(source.state_dict().items())
    arrays = [
        name.encode() + value.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes()
        for name, value in state
    ]
    return content_hash(b"\x1f".join(arrays))
