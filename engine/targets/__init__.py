"""Networks that nobody here trained: described in TOML, attacked with gradients, by queries or by transfer."""

from turncoat.engine.targets.description import QuerySettings, TargetSettings
from turncoat.engine.targets.foreign import ForeignTarget, is_description, load_target
from turncoat.engine.targets.queries import QueryStep
from turncoat.engine.targets.transfer import transfer

__all__ = [
    "ForeignTarget",
    "QuerySettings",
    "QueryStep",
    "TargetSettings",
    "is_description",
    "load_target",
    "transfer",
]
