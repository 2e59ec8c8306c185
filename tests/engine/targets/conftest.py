"""Foreign targets of the tests here."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.foreign import write_module, write_target
from turncoat.engine.targets import ForeignTarget, load_target

NUMBERS = itertools.count()


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[..., ForeignTarget]:
    """``loaded("flat", output={...})``: the callable of that name in a fresh copy of the toy module, as a target."""
    module = write_module(tmp_path, f"foreign_toy_{next(NUMBERS)}")

    def load(name: str, **changes: Any) -> ForeignTarget:
        return load_target(write_target(tmp_path, f"{module}:{name}", **changes))

    return load
