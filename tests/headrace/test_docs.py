"""The words keep up with the code: links, paths, commands, targets, events, variables, the first steps."""

import importlib.util
import re
import shlex
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer.main
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from headrace.cli import app
from headrace.settings import CommandSettings
from services.console.settings import ConsoleSettings
from services.monitor.settings import MonitorSettings
from services.registry.settings import RegistrySettings
from services.serving.settings import ServingSettings
from services.trainer.settings import TrainerSettings
from shared.contract import read_contract
from shared.events import CATALOGUE
from shared.spine.settings import SpineSettings

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
FIRST_STEPS = ROOT / "docs" / "first_steps" / "parcel_late"
SETTINGS = (
    *(CommandSettings, SpineSettings, RegistrySettings, TrainerSettings, MonitorSettings),
    *(ConsoleSettings, ServingSettings),
)

_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
_CODE_FILE = re.compile(r"`((?:services|shared|headrace|examples|tests|docs)/[\w/.-]+)`")
_FENCE = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_EVENT_ROW = re.compile(r"^\| `(\w+)`(?: \(data\))? \| ([^|]+) \| ([^|]+) \|", re.MULTILINE)

of_every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@of_every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = [first or second for first, second in _LINK.findall(page.read_text(encoding="utf-8"))]
    broken = [target for target in targets if not _resolves(page, target)]
    assert broken == []


def _resolves(page: Path, target: str) -> bool:
    if "://" in target:
        return True
    name, _, anchor = target.partition("#")
    file = (page.parent / name).resolve() if name else page
    return file.exists() and (not anchor or anchor in _anchors(file))


def _anchors(page: Path) -> set[str]:
    """As GitHub makes them: lower case, punctuation gone, a hyphen for each space."""
    headings = _HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@of_every_page
def test_every_file_that_is_named_is_there(page: Path) -> None:
    named = _CODE_FILE.findall(page.read_text(encoding="utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


@of_every_page
def test_every_command_and_option_that_is_named_exists(page: Path) -> None:
    group = typer.main.get_group(app)
    commands: Mapping[str, Any] = group.commands
    alone = [[option] for parameter in group.params for option in parameter.opts]
    for words in _commands(page.read_text(encoding="utf-8"), "headrace"):
        if words in alone:
            continue
        name, *rest = words[2:] if words[0] == "--home" else words
        assert name in commands, words
        command = commands[name]
        if hasattr(command, "commands") and rest and not rest[0].startswith("-"):
            assert rest[0] in command.commands, words
            command = command.commands[rest[0]]
        options = {option for parameter in command.params for option in parameter.opts}
        assert [word for word in rest if word.startswith("-") and word not in options] == [], words


@of_every_page
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    variables = set(re.findall(r"\$\((?:if \$\()?([A-Z]+)\)", makefile))
    for words in _commands(page.read_text(encoding="utf-8"), "make"):
        settings, asked = [w for w in words if "=" in w], [w for w in words if "=" not in w]
        assert set(asked) <= targets, words
        assert {setting.partition("=")[0] for setting in settings} <= variables, words


def _commands(text: str, program: str) -> Iterator[list[str]]:
    """What follows a program's name in code: whole lines of fences, and inline code that begins with it."""
    lines = [line for block in _FENCE.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    for line in [*lines, *_INLINE.findall(_FENCE.sub("", text))]:
        match = re.match(rf"(?:\$ )?(?:\.venv/bin/)?{program} (\S.*)", line.strip())
        if match and re.match(r"[a-zA-Z-]", match[1]):
            said = match[1].partition("  #")[0].replace("…", "").partition(" | ")[0].partition(" > ")[0]
            yield shlex.split(said)


def test_the_table_of_events_is_the_catalogue() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    told = {topic: (_names(said), _names(heard)) for topic, said, heard in _EVENT_ROW.findall(text)}
    assert told == {topic: (event.publishers, event.listeners) for topic, event in CATALOGUE.items()}


def _names(cell: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in cell.split(","))


def test_every_variable_stands_on_the_page_of_settings_with_its_default() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(HEADRACE_[A-Z_]+)` \| ([^|]+) \|", text, re.MULTILINE))
    assert rows == {name: default for settings in SETTINGS for name, default in _variables(settings)}


def _variables(settings: type[BaseSettings]) -> Iterator[tuple[str, str]]:
    for name, field in settings.model_fields.items():
        # The command reads two variables that the services read too, with defaults of its own.
        if not (settings is CommandSettings and name in SpineSettings.model_fields):
            yield f"HEADRACE_{name.upper()}", _shown(field.default)


def _shown(default: Any) -> str:
    value = default.get_secret_value() if isinstance(default, SecretStr) else default
    if value is None or value == "":
        return "–"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"`{text.replace(str(Path.home()), '~')}`"


def test_the_use_case_of_the_first_steps_is_sound() -> None:
    contract = read_contract((FIRST_STEPS / "contract.yaml").read_text(encoding="utf-8"))
    assert contract.use_case == FIRST_STEPS.name
    until = datetime(2026, 3, 1, 12, tzinfo=UTC)
    rows = _module("source").load(until)
    assert {contract.event_time, "known_at", contract.label.name, *contract.feature_names} <= set(rows.columns)
    assert rows[contract.event_time].max() < until
    known = rows[rows["known_at"] < until].tail(300)
    model = _module("pipeline").build()
    model.fit(known[list(contract.feature_names)], known[contract.label.name])
    assert set(model.classes_) == set(contract.classes)


def _module(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"first_steps_{name}", FIRST_STEPS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
