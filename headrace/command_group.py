"""The behaviour that all commands share: expected failures end with a sentence on stderr and exit code 1."""

from typing import Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from headrace.errors import CommandError


class CommandGroup(TyperGroup):
    """Turns expected failures into readable ones; a bug keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except CommandError as error:
            complain(str(error))
            raise typer.Exit(1) from None
        except ValidationError as error:
            if not error.title.endswith("Settings"):
                raise
            for mistake in error.errors():
                complain(_explain(mistake["loc"], mistake["msg"], mistake["input"]))
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            complain("interrupted")
            raise typer.Exit(130) from None


def complain(message: str) -> None:
    """Say what went wrong, on stderr."""
    Console(stderr=True).print(Text.assemble(("✗ ", "bold red"), message), soft_wrap=True)


def _explain(place: tuple[int | str, ...], said: str, given: Any) -> str:
    # Without a place the input is every setting, with the secrets among them.
    if not place:
        return said
    return f"HEADRACE_{'_'.join(str(part) for part in place).upper()}: {said} (it is {given!r})"
