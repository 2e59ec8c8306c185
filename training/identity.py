"""Who is in a picture, read from its codes: the other half of the leak (methods section 5).

A pose code that is only about pose tells nobody apart, unless a pose does: bodies differ, so a true pose tells people
apart too, and is asked as well (`turncoat.training.evaluation.people`). Two probes ask: a linear one, and one of two
hidden layers. Both are fitted on training sequences and scored on sequences that they never saw, beside what knowing
nothing scores.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from turncoat.kernels import DataError
from turncoat.training.data import Dataset
from turncoat.training.encoding import Encoded
from turncoat.training.evaluation import clusters_at, share, share_difference
from turncoat.training.networks import hidden_layers, preset
from turncoat.training.pose_regressor import RegressorSettings, minimise

Kind = Literal["linear", "mlp"]
PROBES: tuple[Kind, ...] = ("linear", "mlp")
SCORED = ("held-out", "validation")
"""Splits whose sequences a probe is scored on: other recordings of the people that were trained on."""
PENALTY = 1e-3
"""Weight of the squared weights beside the mean cross-entropy of a linear probe, on standardised codes. [choice]"""
MOST = 20_000
"""A linear probe is fitted on at most so many training frames, spread evenly: it looks at all at once. [choice]"""
LAYERS = preset("studio", regressor_hidden=256, regressor_layers=2, regressor_dropout=0.3)
"""Whose `regressor_*` the probe of two hidden layers has, for every network the same. [choice]"""
FITTED = RegressorSettings(steps=400, batch=256, learning_rate=3e-3)
"""How it is fitted; more steps do not tell more. [choice]"""


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
    kind: Kind, train: Encoded, column: str, dataset: Dataset, code: str, *, device: torch.device | str = "cpu"
) -> Probe:
    """Fit a probe of the dataset's `column` from a code of the training frames: `fit_probe_to` its values."""
    labels = dataset.column(column)[train.rows].astype(str)
    return fit_probe_to(kind, train.codes[code], labels, column, code, device=device)


def fit_probe_to(
    kind: Kind, codes: Tensor, labels: np.ndarray, of: str, code: str, *, device: torch.device | str = "cpu"
) -> Probe:
    """Fit a probe of `labels` (N,) of any kind, of people or of actions, from codes (N, C), seeded alike every time.

    kind: "linear": multinomial logistic regression by L-BFGS with a small penalty; "mlp": two hidden layers of
        `LAYERS`, cross-entropy, fitted as `FITTED` says.
    of, code: what the labels and the codes are called. device: where it is fitted and stays.

    Raises:
        DataError: there is only one class, so there is nobody to tell apart.
    """
    names, index = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        raise DataError(f"The training frames have one {of}, so there is nobody to tell apart; render more.")
    codes, wanted = codes.to(device), torch.from_numpy(index.astype(np.int64)).to(device)
    mean, std = codes.mean(0), codes.std(0).clamp(min=1e-6)
    layers: torch.nn.Module
    with torch.random.fork_rng():
        torch.manual_seed(FITTED.seed)
        if kind == "linear":
            some = torch.linspace(0, len(codes) - 1, min(MOST, len(codes))).long().to(codes.device)
            layers = _logistic((codes[some] - mean) / std, wanted[some], len(names))
        else:
            standardised = (codes - mean) / std
            layers = hidden_layers(LAYERS, codes.shape[1], len(names)).to(codes.device)

            def loss(batch: Tensor) -> Tensor:
                return F.cross_entropy(layers(standardised[batch]), wanted[batch])

            minimise(layers, loss, len(codes), FITTED)
    commonest = int(np.bincount(index).argmax())
    return Probe(of, code, kind, names, commonest, mean, std, layers.eval().requires_grad_(False))


class Told(NamedTuple):
    """What a probe said of frames of people it knows, on the splits `SCORED`, all (N,).

    rows: of the dataset. split, group: of which cell. wanted: who it is, as a place in the probe's names. right: bool.
    """

    rows: np.ndarray
    split: np.ndarray
    group: np.ndarray
    wanted: np.ndarray
    right: np.ndarray


def ask(probe: Probe, dataset: Dataset, tests: dict[tuple[str, str], Encoded]) -> Told:
    """Ask a probe who is in the frames of `tests`, (split, group) -> codes; people it never saw are left out."""
    names, found = dataset.column(probe.of), []
    for (split, group), test in tests.items():
        wanted = probe.places(names[test.rows].astype(str))
        keep = wanted >= 0
        if split in SCORED and keep.any():
            right = (probe.tell(test.codes[probe.code]) == wanted)[keep]
            found.append((test.rows[keep], np.full(len(right), split), np.full(len(right), group), wanted[keep], right))
    if not found:
        return Told(*(np.zeros(0, dtype=kind) for kind in (np.int64, np.str_, np.str_, np.int64, bool)))
    return Told(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def score(
    probe: Probe, told: Told, dataset: Dataset, beside: np.ndarray | None = None, *, draws: int = 1000
) -> dict[str, Any]:
    """How often a probe is right on sequences it never saw, and what knowing nothing scores there.

    beside: whether another probe is right on the same frames (N,), bool.

    Returns:
        accuracy (`share`), frames and chance, together, by split and by group of actions; accuracy None where there
        is nothing to score. chance: one_of (1 / people) and most_common (what always naming the commonest of the
        training frames scores). over_true_pose: accuracy minus that of `beside`, paired by frame.
    """

    def part(keep: np.ndarray) -> dict[str, Any]:
        clusters = clusters_at(dataset, told.rows[keep])
        chance = {"one_of": one_of, "most_common": float((told.wanted[keep] == probe.commonest).mean())}
        found: dict[str, Any] = {"accuracy": share(told.right[keep], clusters, draws=draws), "frames": int(keep.sum())}
        if beside is not None:
            found["over_true_pose"] = share_difference(beside[keep], told.right[keep], clusters, draws=draws)
        return found | {"chance": chance}

    one_of = 1 / len(probe.names)
    result: dict[str, Any] = {"of": probe.of, "code": probe.code, "probe": probe.kind, "people": len(probe.names)}
    if not len(told.rows):
        nothing = {"accuracy": None, "frames": 0, "chance": {"one_of": one_of, "most_common": None}}
        return result | nothing | {"splits": {}, "groups": {}}
    return (
        result
        | part(np.ones(len(told.rows), dtype=bool))
        | {
            "splits": {name: part(told.split == name) for name in np.unique(told.split).tolist()},
            "groups": {name: part(told.group == name) for name in np.unique(told.group).tolist()},
        }
    )


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
