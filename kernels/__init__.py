"""Ground floor: numeric kernels, one operation a module, every backend of it side by side.

Importing this package costs nothing: numpy and torch come in with the operation that is asked for, e.g.
``from turncoat.kernels.composite import composite``.
"""

from turncoat.kernels.errors import ConfigError, DataError, EngineError, ExportError, ParityError, TurncoatError

__all__ = ["ConfigError", "DataError", "EngineError", "ExportError", "ParityError", "TurncoatError"]
