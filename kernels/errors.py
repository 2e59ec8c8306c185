"""The errors that a person is meant to read.

A message is one sentence: what was found, what was expected, what to do. The command line prints it and exits 2.
"""


class TurncoatError(Exception):
    """Anything turncoat refuses to do, said in one sentence."""


class ConfigError(TurncoatError):
    """A setting, preset, option or output folder that cannot be used."""


class DataError(TurncoatError, ValueError):
    """A dataset, picture, weights file or array that is missing, damaged or of the wrong kind; a `ValueError` too."""


class ExportError(TurncoatError):
    """A network that cannot become a bundle, or a bundle that is not whole."""


class EngineError(TurncoatError):
    """A backend that is missing or that failed while running."""


class ParityError(TurncoatError):
    """A backend whose numbers differ from the reference by more than its tolerance."""
