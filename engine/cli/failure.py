"""What a person reads when something fails, and the exit code that goes with it."""

import errno
import os
import sys

import typer

from turncoat.kernels.errors import TurncoatError

BAD_INPUT, INTERNAL, INTERRUPTED = 2, 70, 130


def explain(error: BaseException) -> tuple[str, int]:
    """One sentence (possibly empty) and an exit code for any exception that left a command.

    Bad input of every kind is 2. What turncoat does not know is a defect: 70, as in sysexits.h, so that it is never
    taken for the 1 of "done and the answer is no".
    """
    pydantic = sys.modules.get("pydantic")  # imported already if one of its errors is here
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return "Interrupted.", INTERRUPTED
    if isinstance(error, TurncoatError):
        return _one_line(error), BAD_INPUT
    if isinstance(error, typer.TyperException):
        return _usage(error), BAD_INPUT
    if pydantic is not None and isinstance(error, pydantic.ValidationError):
        from turncoat.kernels.settings import describe

        return describe(error), BAD_INPUT
    if isinstance(error, BrokenPipeError):
        # The reader (head, less) left. Python would complain once more when it flushes standard output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return "", 1
    if isinstance(error, OSError) and error.errno is not None:
        where = f"{error.filename}: " if error.filename else ""
        advice = "; free some space and run again" if error.errno == errno.ENOSPC else ""
        return f"{where}{error.strerror}{advice}.", BAD_INPUT
    return (
        f"turncoat failed on a case it does not know ({type(error).__name__}: {_one_line(error)}); "
        "run it again with --debug and report the traceback."
    ), INTERNAL


def _usage(error: typer.TyperException) -> str:
    message = _one_line(error.format_message()).rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{message}; see '{context.command_path if context else 'turncoat'} --help'." if message else ""


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
