"""Self-supervised methods: what a batch is and what is minimised on it. Adding a method is adding a file."""

from turncoat.kernels import ConfigError
from turncoat.training.methods.nsd import NSD, NSDSettings

METHODS = {"nsd": (NSD, NSDSettings)}

__all__ = ["METHODS", "NSD", "NSDSettings", "build_method"]


def build_method(name: str, overrides: dict | None = None) -> NSD:
    """The method `name` with some of its settings changed; ConfigError if there is no such method or setting."""
    if name not in METHODS:
        raise ConfigError(f"There is no method {name!r}; choose one of {', '.join(METHODS)}.")
    method, settings = METHODS[name]
    return method(settings.load(None, overrides))
