"""The two TensorRTs: which is installed, what it can build for, and Polygraphy speaking to the right one.

`tensorrt` is the data-centre library and builds for the GPU that is in the machine. `tensorrt-rtx` builds for any of
its GPUs without one, and compiles the last step where the engine runs.
"""

import importlib
import os
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any

from turncoat.kernels import ConfigError, EngineError

_SWITCH = "POLYGRAPHY_USE_TENSORRT_RTX"
_LOCK = threading.RLock()
_COPIES: dict[str, dict[str, ModuleType]] = {}


@dataclass(frozen=True)
class Flavour:
    """One of the two.

    Attributes:
        name: "tensorrt" or "tensorrt-rtx", as backends are called.
        title: as people call it.
        module: what is imported.
        minimum: the oldest version that this code is written for.
        extra: the extra of turncoat that installs it.
    """

    name: str
    title: str
    module: str
    minimum: tuple[int, ...]
    extra: str

    def api(self) -> Any:
        """Its Python module; EngineError if it is missing, broken or too old."""
        try:
            api = importlib.import_module(self.module)
        except Exception as error:  # a binding without its libraries raises anything from ImportError to RuntimeError
            if isinstance(error, ModuleNotFoundError) and error.name == self.module:
                found, again = "is not installed", ""
            else:
                found, again = f"does not load ({_line(error)})", " --force-reinstall"
            raise EngineError(f"{self.title} {found}; pip install{again} 'turncoat[{self.extra}]'.") from error
        if version_numbers(api.__version__) < self.minimum:
            oldest = ".".join(map(str, self.minimum))
            raise EngineError(f"{self.title} {api.__version__} is too old; install {oldest} or newer.")
        return api

    @property
    def version(self) -> str:
        """The version that is installed; EngineError if there is none."""
        return str(self.api().__version__)

    @property
    def installed(self) -> bool:
        """Whether `api` answers."""
        try:
            self.api()
        except EngineError:
            return False
        return True

    def capabilities(self) -> tuple[str, ...]:
        """What it builds for on a machine without that GPU, e.g. ("sm75", ..., "sm120"); empty: nothing."""
        names = getattr(getattr(self.api(), "ComputeCapability", None), "__members__", ())
        found = [name.lower() for name in names if re.fullmatch(r"SM\d+", name)]
        return tuple(sorted(found, key=lambda name: int(name[2:])))

    def capability(self, name: str) -> str:
        """ "SM89", "89", "8.9" or "sm89" -> "sm89"; ConfigError if it is none that this flavour builds for."""
        match = re.fullmatch(r"(?:sm_?)?(\d+)\.?(\d)", name.strip().lower())
        known = self.capabilities()
        found = f"sm{match[1]}{match[2]}" if match else name
        if found not in known:
            raise ConfigError(
                f"{self.title} {self.version} does not build for {name!r}; choose among {', '.join(known)}."
            )
        return found


TENSORRT = Flavour("tensorrt", "TensorRT", "tensorrt", (10, 13), "gpu")
TENSORRT_RTX = Flavour("tensorrt-rtx", "TensorRT-RTX", "tensorrt_rtx", (1, 4), "tensorrt-rtx")
FLAVOURS = {flavour.name: flavour for flavour in (TENSORRT, TENSORRT_RTX)}


def flavour_of(name: str) -> Flavour:
    """The flavour called `name`; ConfigError names the two."""
    if name not in FLAVOURS:
        raise ConfigError(f"There is no TensorRT flavour {name!r}; choose one of {', '.join(FLAVOURS)}.")
    return FLAVOURS[name]


def version_numbers(version: str) -> tuple[int, ...]:
    """ "10.13.0.35" -> (10, 13, 0, 35)."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


@cache
def log_of(flavour: Flavour) -> Any:
    """The one logger of a flavour in this process: keeps what went wrong, prints nothing.

    TensorRT takes the first logger it is given and ignores later ones, so builder and runtime share it. `problems()`
    gives and forgets its errors as one line.
    """
    api = flavour.api()

    class Log(api.ILogger):  # type: ignore[name-defined]
        def __init__(self) -> None:
            api.ILogger.__init__(self)
            self.lines: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (api.ILogger.Severity.INTERNAL_ERROR, api.ILogger.Severity.ERROR):
                self.lines.append(_line(message))

        def problems(self) -> str:
            found, self.lines = self.lines, []
            return "; ".join(dict.fromkeys(found))[:600]

    return Log()


@contextmanager
def polygraphy(flavour: Flavour) -> Iterator[Any]:
    """Polygraphy for one flavour: `trt` (its loaders), `create_config` and `PolygraphyException`.

    Polygraphy reads the flavour from the environment when it is imported and keeps it (polygraphy/config.py,
    mod/trt_importer.py), so every flavour gets a copy of its own, which is in `sys.modules` only inside this context;
    whatever Polygraphy the rest of the process uses is left as it was. The copy prints nothing.

    Raises:
        EngineError: it is not installed.
    """
    with _LOCK:
        outside, switch = _take_out(), os.environ.get(_SWITCH)
        sys.modules.update(_COPIES.get(flavour.name, {}))
        os.environ[_SWITCH] = "1" if flavour is TENSORRT_RTX else "0"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of TensorRT, about what Polygraphy calls
                yield _loaded(flavour)
        finally:
            _COPIES[flavour.name] = _take_out()
            sys.modules.update(outside)
            if switch is None:
                del os.environ[_SWITCH]
            else:
                os.environ[_SWITCH] = switch


def _loaded(flavour: Flavour) -> Any:
    try:
        trt = importlib.import_module("polygraphy.backend.trt")
        name = "polygraphy.backend.tensorrt_rtx" if flavour is TENSORRT_RTX else "polygraphy.backend.trt"
        config = importlib.import_module(name)
        logger = importlib.import_module("polygraphy.logger").G_LOGGER
        error = importlib.import_module("polygraphy.exception").PolygraphyException
    except ImportError as problem:
        raise EngineError(
            f"Polygraphy, which builds the engines, does not load ({_line(problem)}); "
            f"pip install 'turncoat[{flavour.extra}]'."
        ) from problem
    logger.module_severity = logger.CRITICAL + 1  # it prints to standard output
    util: Any = importlib.import_module("polygraphy.backend.trt.util")
    util.TRT_LOGGER = log_of(flavour)
    create = config.CreateConfigRTX if flavour is TENSORRT_RTX else config.CreateConfig
    return SimpleNamespace(trt=trt, create_config=create, PolygraphyException=error)


def _take_out() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name == "polygraphy" or name.startswith("polygraphy.")]
    return {name: sys.modules.pop(name) for name in names}


def _line(text: object) -> str:
    return " ".join(str(text).split())
