"""`headrace validate`: shows every mistake of a contract file with its line, what is wrong and what is allowed."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from shared.contract import ContractError, Problem, read_contract, schema_text

LARGEST_FILE = 2 * 1024 * 1024
WIDEST_LINE = 160


def validate_file(path: Path) -> list[Problem]:
    """Every problem of the contract in this file, in the order of its lines; none where it is sound."""
    return _read(path)[1]


def run(path: Path, console: Console | None = None) -> int:
    """Validate and show; the exit code: 0 sound, 1 not."""
    console = console or Console()
    text, problems = _read(path)
    if not problems:
        contract = read_contract(text)
        said = Text.assemble(("✓ ", "bold green"), f"{path}: {contract.use_case} is a sound contract")
        console.print(said, Text(f"  digest {contract.digest}", style="dim"), sep="\n", soft_wrap=True)
        return 0
    lines = text.splitlines()
    for problem in problems:
        console.print(*_shown(path, lines, problem), sep="\n", soft_wrap=True)
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    console.print(Text.assemble(("✗ ", "bold red"), f"{path}: {count}"), soft_wrap=True)
    return 1


def write_schema(path: Path) -> None:
    """Write the contract's JSON Schema for editors, where docs/contract.schema.json stands."""
    path.write_text(schema_text(), encoding="utf-8")


def _read(path: Path) -> tuple[str, list[Problem]]:
    """The text and its problems; a file that cannot be read is a problem of its own."""
    try:
        if path.is_file() and path.stat().st_size > LARGEST_FILE:
            return "", [Problem(1, 1, "", f"the file has {path.stat().st_size} bytes", f"at most {LARGEST_FILE}")]
        text = path.read_bytes().decode("utf-8-sig")
        read_contract(text)
    except OSError as error:
        return "", [Problem(1, 1, "", f"cannot be read: {error.strerror or error}", "a contract file")]
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        column = len(before) - (before.rfind(b"\n") + 1) + 1
        message = f"byte 0x{error.object[error.start]:02x} is not UTF-8"
        return "", [Problem(before.count(b"\n") + 1, column, "", message, "UTF-8 text")]
    except ContractError as error:
        return text, error.problems
    return text, []


def _shown(path: Path, lines: list[str], problem: Problem) -> list[Text]:
    place = f"{path}:{problem.line}:{problem.column}"
    where = f" {problem.path}" if problem.path else ""
    shown = [Text.assemble((place, "bold"), (where, "cyan"), ": ", (_plain(problem.message), "red"))]
    if problem.line <= len(lines):
        number = f"{problem.line:>5} │ "
        # Tabs and control characters would move the caret, or the terminal.
        line, before = _plain(lines[problem.line - 1]), " " * (problem.column - 1)
        if problem.column <= WIDEST_LINE:
            shown += [
                Text(number + line[:WIDEST_LINE], style="dim"),
                Text(" " * len(number) + before + "^", style="red"),
            ]
    if problem.allowed:
        shown.append(Text.assemble(("      allowed: ", "green"), _plain(problem.allowed)))
    return shown


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
