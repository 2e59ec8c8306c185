"""The command line. Adding a command is adding one file.

The rule: `engine/cli/NAME.py` holds a function of the file's own name; that function is `turncoat NAME` (underscores
become hyphens), its typed parameters are the options, its docstring is the help, the first line of which is listed.
The file is read, not imported, until its command runs, so it may import anything. A file without such a function is
a helper.
"""

import sys

import typer

from turncoat.engine.cli.commands import find_commands
from turncoat.engine.cli.failure import explain
from turncoat.kernels.version import VERSION

__all__ = ["main"]

app = typer.Typer(name="turncoat", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"turncoat {VERSION}")
        raise typer.Exit


@app.callback()
def turncoat(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error; works after a command too."),
) -> None:
    """How far is a 3D human pose network fooled by what people wear?

    Exit codes: 0 done, 1 done and the answer is no, 2 bad input.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 done and the answer is no, 2 bad input, 130 interrupted.

    An error is one sentence on standard error; with --debug, anywhere on the line, it is a traceback.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    group = typer.main.get_group(app)
    for command in find_commands():
        group.add_command(command)
    try:
        code = group.main(arguments, prog_name="turncoat", standalone_mode=False)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            raise
        message, code = explain(error)
        if message:
            print(message, file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)
