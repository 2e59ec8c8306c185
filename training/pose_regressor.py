"""Fitting the pose regressor: labels, real frames, a frozen encoder (methods section 5).

Beside the regressor on the pose code the same one is fitted on the appearance code, and both stand beside the mean
pose: what the appearance code says about pose is the other half of the leak.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.kernels import ConfigError, DataError
from turncoat.kernels.device import exact_float32, find_device
from turncoat.kernels.pose_error import mpjpe
from turncoat.kernels.settings import Settings
from turncoat.training.checkpoint import Network, check_output_file, load_network, save_network
from turncoat.training.data import Dataset
from turncoat.training.encoding import check_frame_size, encode_rows
from turncoat.training.methods import METHODS
from turncoat.training.networks import NetworkSettings, PoseRegressor
from turncoat.training.statistics import appearance_statistics, check_enough_codes

Progress = Callable[..., None]
SMALLEST = 8
"""Fewer labels than this are no regression. [choice]"""


class RegressorSettings(Settings):
    """How a pose regressor is fitted.

    steps, batch, learning_rate: Adam at 1e-3 (official), with a cosine to nothing over the steps. [choice] A batch is
        as many frames as have labels, where those are fewer.
    variant: "standardised" (default) or "literal", the official order; see `PoseRegressor`.
    layers: hidden layers, one or two; "2 layer pose regressor" can be read either way, two by default. [choice]
    hidden, dropout: of the hidden layers; the network's preset decides where they are None.
    noise: standard deviation of noise on the standardised codes while fitting. [choice]
    subjects: whose labels are used; all training subjects where None. (UGAR: S1 only.)
    fraction: share of the labelled frames that is used.
    precision: of the encoder while fitting; statistics and regressor are computed in float32 either way.
    """

    steps: int = Field(4000, ge=1)
    batch: int = Field(256, ge=2)
    learning_rate: float = Field(1e-3, gt=0)
    variant: Literal["standardised", "literal"] = "standardised"
    layers: Literal[1, 2] = 2
    hidden: int | None = Field(None, ge=1)
    dropout: float | None = Field(None, ge=0, lt=1)
    noise: float = Field(0.0, ge=0)
    subjects: tuple[str, ...] | None = None
    fraction: float = Field(1.0, gt=0, le=1)
    precision: Literal["float32", "bfloat16"] = "float32"
    threads: int = Field(2, ge=1)
    seed: int = 0

    def shape(self, network: NetworkSettings) -> NetworkSettings:
        """The network's settings with this regressor."""
        changes: dict[str, Any] = {"regressor": self.variant, "regressor_layers": self.layers}
        if self.hidden is not None:
            changes["regressor_hidden"] = self.hidden
        if self.dropout is not None:
            changes["regressor_dropout"] = self.dropout
        return network.model_copy(update=changes)


class RegressorReport(NamedTuple):
    """What came out: MPJPE in mm on the everyday validation frames (the training frames, if there are none).

    mpjpe_mean_pose: of the mean pose of all labelled frames, which the regressor stores.
    mpjpe_group_mean_pose: of the mean pose of the labelled frames of the group that is checked on, everyday.
    """

    labelled_frames: int
    unreadable: int
    checked_on: str
    mpjpe_training: float
    mpjpe: float
    mpjpe_from_appearance: float
    mpjpe_mean_pose: float
    mpjpe_group_mean_pose: float
    radius_p99: float


def fit_regressor(
    dataset: Dataset,
    source: str | Path,
    out: str | Path,
    settings: RegressorSettings | None = None,
    *,
    dtype: torch.dtype = torch.float32,
    overwrite: bool = False,
    device: str = "auto",
    command: str | None = None,
    progress: Progress | None = None,
) -> RegressorReport:
    """Fit a regressor on a trained network and write both, with the statistics of its appearance codes, to `out`.

    The encoder is frozen and in evaluation mode: its batch norms keep the statistics of training (the official script
    lets them drift). Statistics are of the whole training split, whatever share of it has labels.

    dtype: of the weights as written.
    overwrite: whether `out` may be there already.
    device: a torch device, or "auto": a GPU where there is one.

    Raises:
        DataError, ConfigError: unusable weights, dataset or settings; weights that were trained on labels; labels that
            are not finite; a file at `out`, or no way to write one. What can be known beforehand is raised before the
            work starts.
    """
    settings = settings or RegressorSettings()
    check_output_file(out, overwrite=overwrite)
    torch.set_num_threads(settings.threads)
    network = load_network(source, device=find_device(device))
    _check_unlabelled(network)
    check_frame_size(network, dataset)
    rows = dataset.select(split="train")
    _check_enough(len(labelled(dataset, rows, settings)))
    check_enough_codes(len(rows), network.settings.appearance_size)
    network.compute_dtype = getattr(torch, settings.precision)
    encoded = encode_rows(network, dataset, rows, progress=_stage(progress, "encoding"))
    checked, checked_on = _validation_rows(dataset)
    checked_codes = encode_rows(network, dataset, checked).codes
    network.compute_dtype = torch.float32
    network.statistics = appearance_statistics(encoded.codes.appearance)

    chosen = labelled(dataset, encoded.rows, settings)
    poses = torch.from_numpy(dataset.pose(encoded.rows[chosen]))
    truth = torch.from_numpy(dataset.pose(checked))
    _check_labels(poses, truth)
    group = dataset.column("group")
    same = torch.from_numpy(group[encoded.rows[chosen]] == group[checked[0]])
    group_mean = (poses[same] if same.any() else poses).mean(0)
    network.settings = settings.shape(network.settings)

    def fitted(codes: Tensor, stage: str) -> PoseRegressor:
        there = codes[chosen].to(network.device), poses.to(network.device)
        return train_regressor(network.settings, *there, settings, _stage(progress, stage))

    network.regressor = fitted(encoded.codes.pose_code, "fitting")
    leak = fitted(encoded.codes.appearance, "leak")
    with torch.no_grad():
        sample = np.linspace(0, len(chosen) - 1, min(len(chosen), 4000)).astype(int)
        report = RegressorReport(
            labelled_frames=len(chosen),
            unreadable=encoded.unreadable,
            checked_on=checked_on,
            mpjpe_training=_error(network.regressor, encoded.codes.pose_code[chosen[sample]], poses[sample]),
            mpjpe=_error(network.regressor, checked_codes.pose_code, truth),
            mpjpe_from_appearance=_error(leak, checked_codes.appearance, truth),
            mpjpe_mean_pose=float(mpjpe(network.regressor.pose_mean.cpu().expand_as(truth), truth).mean()),
            mpjpe_group_mean_pose=float(mpjpe(group_mean.expand_as(truth), truth).mean()),
            radius_p99=network.statistics.radius_p99,
        )
    metadata = network.metadata | {
        "regressor": settings.model_dump(mode="json") | {"command": command, "report": report._asdict()},
        "labels": {key: dataset.info.get(key) for key in ("name", "recipe", "preset", "fingerprint")},
    }
    save_network(out, network, metadata, dtype=dtype)
    return report


@exact_float32()
def train_regressor(
    shape: NetworkSettings,
    codes: Tensor,
    poses: Tensor,
    settings: RegressorSettings,
    progress: Progress | None = None,
) -> PoseRegressor:
    """Fit a regressor from codes (N, C) to poses (N, 17, 3) in mm, where they lie; returned frozen, not training.

    Targets are ``(pose - mean) / std`` a coordinate, from these poses; the root's deviation is set to 1 (UGAR's form).
    """
    _check_enough(len(codes))
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        regressor = PoseRegressor(shape, inputs=codes.shape[1]).to(codes.device)
        regressor.code_mean.copy_(codes.mean(0))
        regressor.code_std.copy_(codes.std(0).clamp(min=1e-6))
        regressor.pose_mean.copy_(poses.mean(0))
        std = poses.std(0)
        regressor.pose_std.copy_(torch.where(std > 1e-3, std, 1.0))
        target = ((poses - regressor.pose_mean) / regressor.pose_std).flatten(1)
        noise = settings.noise * regressor.code_std

        def loss(batch: Tensor) -> Tensor:
            code = codes[batch]
            if settings.noise:
                code = code + noise * torch.randn_like(code)
            return F.mse_loss(regressor.normalised(code), target[batch])

        minimise(regressor, loss, len(codes), settings, progress)
    return regressor.eval().requires_grad_(False)


def minimise(
    module: nn.Module,
    loss: Callable[[Tensor], Tensor],
    count: int,
    settings: RegressorSettings,
    progress: Progress | None = None,
) -> None:
    """Adam on `loss`, a function of a batch's indices below `count`, with a cosine to nothing over the steps.

    A batch is as large as all there is, where that is less than a batch. Batches are the same on every device.

    Raises:
        DataError: the last loss is not finite.
    """
    batch, device = min(settings.batch, count), next(module.parameters()).device
    optimiser = torch.optim.Adam(module.parameters(), settings.learning_rate, fused=True)
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * 0.5 * (1 + math.cos(math.pi * step / settings.steps))
        value = loss(torch.randint(count, (batch,)).to(device))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        if progress is not None and (step % 50 == 49 or step + 1 == settings.steps):
            progress(step + 1, settings.steps, loss=float(value.detach()))
    if not math.isfinite(float(value.detach())):
        raise DataError("The regressor's loss is not finite; lower its learning rate.")


def labelled(dataset: Dataset, rows: np.ndarray, settings: RegressorSettings) -> np.ndarray:
    """Positions in `rows` of the frames whose labels are used: some subjects, some share, drawn by the seed."""
    chosen = np.arange(len(rows))
    if settings.subjects is not None:
        wanted = dataset.select(split="train", subject=list(settings.subjects))
        chosen = np.flatnonzero(np.isin(rows, wanted))
    count = max(1, round(settings.fraction * len(chosen)))
    return np.sort(np.random.default_rng([settings.seed, 2]).permutation(chosen)[:count])


def _validation_rows(dataset: Dataset, most: int = 2000) -> tuple[np.ndarray, str]:
    """Everyday frames of the validation split, spread evenly; training frames where a dataset has no such split."""
    split = "validation" if "validation" in dataset.column("split") else "train"
    rows = dataset.select(split=split)
    everyday = rows[dataset.column("group")[rows] == "everyday"]
    rows = everyday if len(everyday) else rows
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)], split


def method_on_labels(network: Network) -> str | None:
    """The method of a network that was trained on labels, encoder and all; None where it was not."""
    method, _ = METHODS.get(str(network.metadata.get("method")), (None, None))
    return None if method is None or not method.uses_labels else str(method.name)


def _check_unlabelled(network: Network) -> None:
    """ConfigError if the network was trained on labels: its regressor is what it was trained with."""
    if (method := method_on_labels(network)) is not None:
        raise ConfigError(
            f"{network.path} was trained on labels (method {method!r}) and keeps the pose regressor of its "
            "training; use it as it is, or give a network that was trained without labels."
        )


def _check_enough(frames: int) -> None:
    if frames < SMALLEST:
        raise ConfigError(f"{frames} labelled frames are too few, a regressor needs {SMALLEST}; use a larger share.")


def _check_labels(*poses: Tensor) -> None:
    for tensor in poses:
        if not torch.isfinite(tensor).all():
            raise DataError("A pose label is NaN or infinite; render the dataset again or leave its sequence out.")


def _error(regressor: PoseRegressor, codes: Tensor, poses: Tensor) -> float:
    return float(mpjpe(regressor(codes.to(regressor.pose_mean.device)).cpu(), poses).mean())


def _stage(progress: Progress | None, name: str) -> Progress | None:
    """A progress call that says which stage it is in."""
    if progress is None:
        return None
    return lambda done, total, **facts: progress(done, total, stage=name, **facts)
