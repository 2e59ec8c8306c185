"""Methods: what a batch is and what is minimised on it. Adding one is adding a file and its line in METHODS."""

from typing import Any

from turncoat.kernels import ConfigError
from turncoat.kernels.settings import Settings
from turncoat.training.methods.base import Loss, Method, PaintingSettings
from turncoat.training.methods.cssl import CSSL, CSSLSettings
from turncoat.training.methods.drnet import DRNet, DRNetSettings
from turncoat.training.methods.nsd import NSD, NSDSettings
from turncoat.training.methods.supervised import Supervised, SupervisedSettings
from turncoat.training.methods.ugar import UGAR, UGARSettings
from turncoat.training.recipes import build_settings

METHODS: dict[str, tuple[Any, type[Settings]]] = {
    "nsd": (NSD, NSDSettings),
    "cssl": (CSSL, CSSLSettings),
    "drnet": (DRNet, DRNetSettings),
    "ugar": (UGAR, UGARSettings),
    "supervised": (Supervised, SupervisedSettings),
}

__all__ = [
    "CSSL",
    "METHODS",
    "NSD",
    "UGAR",
    "CSSLSettings",
    "DRNet",
    "DRNetSettings",
    "Loss",
    "Method",
    "NSDSettings",
    "PaintingSettings",
    "Supervised",
    "SupervisedSettings",
    "UGARSettings",
    "build_method",
]


def build_method(name: str, *layers: dict[str, Any]) -> Method:
    """The method `name` with changed settings, layer over layer; ConfigError if there is no such method or setting."""
    if name not in METHODS:
        raise ConfigError(f"There is no method {name!r}; choose one of {', '.join(METHODS)}.")
    method, settings = METHODS[name]
    return method(build_settings(settings, *layers))
