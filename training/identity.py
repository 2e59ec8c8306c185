"""Who is in a picture, read from its codes: the other half of the leak (methods section 5).

A pose code that is only about pose tells nobody apart. Two probes ask it: a linear one, and the pose regressor's own
layers with a class a person. Both are fitted on training sequences and scored on sequences that they never saw, beside
what knowing nothing scores.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from turncoat.kernels import DataError
from turncoat.training.data import Dataset
from turncoat.training.evaluation import clusters_at, share
from turncoat.training.networks import NetworkSettings, hidden_layers
from turncoat.training.pose_regressor import Progress, RegressorSettings, minimise

Kind = Literal["linear", "mlp"]
PROBES: tuple[Kind, ...] = ("linear", "mlp")
CODES = ("pose_code", "appearance")
SCORED = ("held-out", "validation")
"""Splits whose sequences a probe is scored on: other recordings of the people that were trained on."""
PENALTY = 1e-3
"""Weight of the squared weights beside the mean cross-entropy of a linear probe, on standardised codes. [choice]"""
MOST = 20_000
"""A linear probe is fitted on at most so many training frames, spread evenly: it looks at all at once. [choice]"""


class Encoded(NamedTuple):
    """codes: name -> (N, C) float32, for the dataset's `rows` (N,)."""

    rows: np.ndarray
    codes: dict[str, Tensor]


class Probe(NamedTuple):
    """Tells people apart by one code.

    of: the column it reads off, e.g. "subject". names: the classes, sorted. commonest: the one with most training
        frames. mean, std: (C,), of the training codes; layers: standardised codes -> scores of the classes.
    """

    of: str
    code: str
    kind: Kind
    names: np.ndarray
    commonest: int
    mean: Tensor
    std: Tensor
    layers: torch.nn.Module

    @torch.no_grad()
    def tell(self, codes: Tensor) -> np.ndarray:
        """Codes (N, C) -> place in `names` (N,) int64."""
        return self.layers((codes.to(self.mean.device) - self.mean) / self.std).argmax(dim=1).cpu().numpy()

    def places(self, names: np.ndarray) -> np.ndarray:
        """Names (N,) -> place in `names` (N,) int64, -1 where the name is not known."""
        known = {name: place for place, name in enumerate(self.names.tolist())}
        return np.array([known.get(name, -1) for name in names.tolist()], dtype=np.int64)


def people_columns(dataset: Dataset, rows: np.ndarray) -> list[str]:
    """The columns that say who it is: subject; body and wardrobe instead where one subject is not one of each."""
    names = [dataset.column(name)[rows].astype(str).tolist() for name in ("subject", "body", "wardrobe")]
    several = [name for name, values in zip(("body", "wardrobe"), names[1:], strict=True) if len(set(values)) > 1]
    together = len(set(zip(*names, strict=True)))
    alike = all(len(set(values)) in (1, together) for values in names)
    return ["subject"] if alike or not several else several


def fit_probe(
    kind: Kind,
    shape: NetworkSettings,
    train: Encoded,
    column: str,
    dataset: Dataset,
    code: str,
    settings: RegressorSettings,
    progress: Progress | None = None,
    device: torch.device | str = "cpu",
) -> Probe:
    """Fit a probe of the dataset's `column` from a code of the training frames.

    kind: "linear": multinomial logistic regression by L-BFGS with a small penalty; "mlp": the layers of the pose
        regressor of `shape`, cross-entropy, the same optimiser and steps as `settings` gives a regressor.
    device: where it is fitted and stays.

    Raises:
        DataError: there is only one class, so there is nobody to tell apart.
    """
    names, index = np.unique(dataset.column(column)[train.rows].astype(str), return_inverse=True)
    if len(names) < 2:
        raise DataError(f"The training frames have one {column}, so there is nobody to tell apart; render more.")
    codes, wanted = train.codes[code].to(device), torch.from_numpy(index.astype(np.int64)).to(device)
    mean, std = codes.mean(0), codes.std(0).clamp(min=1e-6)
    layers: torch.nn.Module
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        if kind == "linear":
            some = torch.linspace(0, len(codes) - 1, min(MOST, len(codes))).long().to(codes.device)
            layers = _logistic((codes[some] - mean) / std, wanted[some], len(names))
            if progress is not None:
                progress(settings.steps, settings.steps)
        else:
            standardised = (codes - mean) / std
            layers = hidden_layers(shape, codes.shape[1], len(names)).to(codes.device)

            def loss(batch: Tensor) -> Tensor:
                return F.cross_entropy(layers(standardised[batch]), wanted[batch])

            minimise(layers, loss, len(codes), settings, progress)
    commonest = int(np.bincount(index).argmax())
    return Probe(column, code, kind, names, commonest, mean, std, layers.eval().requires_grad_(False))


def score_probe(
    probe: Probe, dataset: Dataset, tests: dict[tuple[str, str], Encoded], *, draws: int = 1000
) -> dict[str, Any]:
    """How often a probe is right about people it knows, on sequences it never saw.

    tests: (split, group) -> codes of the frames that are measured; people who were not trained on are left out.

    Returns:
        accuracy {mean, low, high} over the splits `SCORED`, None if they have no such frames; of each split; and
        chance: one_of (1 / people) and most_common (what always naming the commonest person scores).
    """
    names = dataset.column(probe.of)
    found: dict[str, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}
    for (split, _), test in tests.items():
        wanted = probe.places(names[test.rows].astype(str))
        keep = wanted >= 0
        if keep.any():
            right = probe.tell(test.codes[probe.code]) == wanted
            for name in (split, "scored") if split in SCORED else (split,):
                found.setdefault(name, []).append((test.rows[keep], right[keep], wanted[keep]))

    def score(name: str) -> dict[str, float]:
        rows, right, _ = (np.concatenate(part) for part in zip(*found[name], strict=True))
        return share(right, clusters_at(dataset, rows), draws=draws)

    result: dict[str, Any] = {"of": probe.of, "code": probe.code, "probe": probe.kind, "people": len(probe.names)}
    result["splits"] = {name: score(name) for name in found if name != "scored"}
    if "scored" not in found:
        return result | {"accuracy": None, "frames": 0, "chance": {"one_of": 1 / len(probe.names), "most_common": None}}
    wanted = np.concatenate([part for *_, part in found["scored"]])
    chance = {"one_of": 1 / len(probe.names), "most_common": float((wanted == probe.commonest).mean())}
    return result | {"accuracy": score("scored"), "frames": len(wanted), "chance": chance}


def _logistic(codes: Tensor, index: Tensor, count: int, iterations: int = 100) -> torch.nn.Linear:
    """Minimise cross-entropy and penalty over all frames at once; the problem is convex, so it starts from zero."""
    layer = torch.nn.Linear(codes.shape[1], count).to(codes.device)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=iterations, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = F.cross_entropy(layer(codes), index) + PENALTY * layer.weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return layer
