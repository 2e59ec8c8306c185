"""Finding the commands without importing them."""

import ast
import importlib
from pathlib import Path
from typing import Any

from typer import Typer
from typer.core import TyperCommand
from typer.main import get_command


class LazyCommand(TyperCommand):
    """A name and one line of help; the module behind it is imported when the command runs or shows its own help."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Hand over to the real command, which then is the one that parses and is invoked."""
        name = (self.name or "").replace("-", "_")
        function = getattr(importlib.import_module(f"turncoat.engine.cli.{name}"), name)
        single = Typer(add_completion=False, pretty_exceptions_enable=False)
        single.command(name=self.name)(function)
        return get_command(single).make_context(info_name, args, parent=parent, **extra)


def find_commands() -> list[LazyCommand]:
    """One command for every file of this folder that holds a function of its own name, in alphabetical order."""
    found = []
    for path in sorted(Path(__file__).parent.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == path.stem:
                help_text = (ast.get_docstring(node) or "").split("\n\n")[0]
                found.append(LazyCommand(path.stem.replace("_", "-"), help=help_text))
    return found
