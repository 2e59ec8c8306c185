"""Settings: frozen, checked when they are made, read from TOML, overridable, hashable.

class RenderSettings(Settings):
    preset: str = "demo"
    workers: int = Field(2, ge=1)

RenderSettings.load("render.toml", {"workers": 4})
"""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from turncoat.kernels.errors import ConfigError


class Settings(BaseModel):
    """Base of every settings model: keyword-only, frozen, unknown names and NaN refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def load(cls, path: str | Path | None = None, overrides: dict[str, Any] | None = None) -> Self:
        """Read a TOML file (None for the defaults) and lay `overrides` over it, nested tables key by key.

        Overrides that are None are left out: an option that was not given on the command line overrides nothing.

        Raises:
            ConfigError: the file is missing or not TOML, or a value is unknown or out of range.
        """
        values = read_toml(path) if path is not None else {}
        try:
            return cls(**_merge(values, overrides or {}))
        except ValidationError as error:
            origin = f"{path}: " if path is not None else ""
            raise ConfigError(origin + describe(error)) from error

    def hash(self) -> str:
        """SHA-256 of the values in canonical JSON, in hexadecimal: for cache keys."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def read_toml(path: str | Path) -> dict[str, Any]:
    """The contents of a TOML file.

    Raises:
        ConfigError: it is missing, unreadable or not TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The settings file {path} cannot be read: {error.strerror}; check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The settings file {path} is not valid TOML: {error}.") from error


def parse_overrides(pairs: list[str]) -> dict[str, Any]:
    """``["optimiser.rate=0.1", "name=nsd"]`` -> ``{"optimiser": {"rate": 0.1}, "name": "nsd"}``.

    A value is read as TOML (numbers, true, lists, quoted strings); what is not TOML is a plain string.

    Raises:
        ConfigError: a pair without a name or an equals sign.
    """
    result: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not all(name.split(".")):
            raise ConfigError(f"The override {pair!r} is not of the form name=value, e.g. iterations=200.")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        for key in reversed(name.split(".")):
            value = {key: value}
        result = _merge(result, value)
    return result


def describe(error: ValidationError) -> str:
    """A pydantic error as one sentence: every wrong setting, what it is, what was expected."""
    parts = []
    for problem in error.errors(include_url=False, include_context=False):
        name = ".".join(str(part) for part in problem["loc"]) or error.title
        if problem["type"] == "extra_forbidden":
            parts.append(f"setting {name!r} is unknown")
        elif problem["type"] == "missing":
            parts.append(f"setting {name!r} is missing")
        else:
            expected = problem["msg"].removeprefix("Value error, ")
            expected = expected[:1].lower() + expected[1:]
            about = f"setting {name!r} is {problem['input']!r}: " if problem["loc"] else ""  # "": of several together
            parts.append(about + expected)
    sentence = "; ".join(parts).rstrip(".")
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        if value is None:
            continue
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
