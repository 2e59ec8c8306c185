"""The runtime that takes a sweep's gradient steps: PyTorch as it stands, or a session on another backend."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.settings import TORCH, AttackSettings
from turncoat.engine.runtime.choose import open_session
from turncoat.engine.runtime.session import Session
from turncoat.engine.runtime.split import PairStep
from turncoat.export.bundle import is_bundle
from turncoat.kernels.errors import ConfigError
from turncoat.training.checkpoint import Network

_PREFERRED = 32
"""The batch that `auto` is to be fast at: longer steps are no faster a sample on a processor."""


def open_backend(pair: Pair, settings: AttackSettings) -> tuple[Pair, str, ExitStack]:
    """The pair, its gradient steps taken by the backend of the settings; a line for a person about the choice; what to
    close in the end.

    A network that attacks itself takes the whole step in one graph; two networks take it in pieces, each on a session
    of its own. Admission, verification and measuring stay with PyTorch in float32.

    Raises:
        ConfigError: a network that cannot be exported, or an objective that only PyTorch knows.
        EngineError: the backend cannot run here.
    """
    if settings.backend == TORCH or not settings.appearance_attacks:
        return pair, "", ExitStack()
    with ExitStack() as opened:
        generator = opened.enter_context(_session(pair, pair.generator, "generator", settings))
        if pair.target is pair.generator:
            return replace(pair, runtime=generator), generator.remark, opened.pop_all()
        target = opened.enter_context(_session(pair, pair.target, "target", settings))
        remarks = " ".join(dict.fromkeys(remark for remark in (generator.remark, target.remark) if remark))
        return replace(pair, runtime=PairStep(generator, target)), remarks, opened.pop_all()


def _session(pair: Pair, network: Any, role: str, settings: AttackSettings) -> Session:
    if not isinstance(network, Network):
        raise ConfigError(
            f"The {role} is a {type(network).__name__}, which only PyTorch runs; leave --backend at {TORCH!r}."
        )
    if settings.objective not in ("squared", "mpjpe"):
        raise ConfigError(
            f"The objective {settings.objective!r} has no graph; climb squared or mpjpe, or leave --backend at "
            f"{TORCH!r}."
        )
    path = Path(network.path)
    source = path if path.name and is_bundle(path) else network
    session = open_session(
        source,
        settings.backend,
        str(pair.device),
        batch=min(settings.batch, _PREFERRED),
        objective=settings.objective,
    )
    if session.bundle.objective != settings.objective and role == "generator":
        found = session.bundle.objective
        session.close()
        raise ConfigError(f"The bundle's gradients are of {found!r}, not of {settings.objective!r}; export it again.")
    return session
