"""One runtime over every backend: PyTorch, ONNX Runtime, TensorRT, with the same verbs.

from turncoat.engine.runtime import open_session
with open_session("nsd-bundle") as session:
    print(session.remark)
    poses = session.predict(frames)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turncoat.engine.runtime.backends import available_backends
    from turncoat.engine.runtime.choose import open_session
    from turncoat.engine.runtime.session import Session
    from turncoat.engine.runtime.split import PairStep

__all__ = ["PairStep", "Session", "available_backends", "open_session"]

_HOME = {
    "PairStep": "turncoat.engine.runtime.split",
    "Session": "turncoat.engine.runtime.session",
    "available_backends": "turncoat.engine.runtime.backends",
    "open_session": "turncoat.engine.runtime.choose",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'turncoat.engine.runtime' has no attribute {name!r}")
