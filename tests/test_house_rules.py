"""The house rules that matter, read from the source itself."""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from shared.events import CATALOGUE
from shared.events.stored_examples import FOLDER

ROOT = Path(__file__).parents[1]
PROGRAM = ("headrace", "services", "shared", "examples", "benchmarks")
LONGEST_FILE, LONGEST_FUNCTION = 300, 60
Source = tuple[str, ast.Module]

# Decisions: data in, decision out. They are given now, seed and rows.
DECISIONS = (
    *("gates", "releases", "governor", "blocks", "block_statistics", "drift", "explain", "before_labels", "impact"),
    *("two_sample", "promotion", "probation", "regret", "technical", "measured", "coverage", "split", "drift_rows"),
    *("facts", "views", "queries", "prices", "story", "plots", "words", "asks", "states", "schedule", "incidents"),
)
PURE = [
    *(f"shared/contract/{path.name}" for path in sorted((ROOT / "shared" / "contract").glob("*.py"))),
    *(f"shared/evidence/{path.name}" for path in sorted((ROOT / "shared" / "evidence").glob("*.py"))),
    *(f"headrace/{name}.py" for name in ("causation", "columns", "describe", "ledger_digest", "propose")),
    *(f"headrace/{name}.py" for name in ("backtest_report", "site_pages", "starter_contract")),
    *(f"shared/evaluation/{name}.py" for name in ("again", "arms", "block", "estimates", "out_of_sample")),
    *(f"shared/evaluation/{name}.py" for name in ("period", "reported")),
    *(
        path.relative_to(ROOT).as_posix()
        for name in DECISIONS
        for path in sorted((ROOT / "services").glob(f"*/{name}.py"))
    ),
]
READS_OR_WRITES = {
    *(
        "aiokafka",
        "aiosqlite",
        "asyncio",
        "asyncpg",
        "bentoml",
        "deltalake",
        "fastapi",
        "faststream",
        "fcntl",
        "fsspec",
    ),
    *("http", "httpx", "io", "multiprocessing", "os", "pathlib", "requests", "shutil", "signal", "skops", "socket"),
    *("sqlalchemy", "sqlite3", "starlette", "subprocess", "tempfile", "threading", "time", "urllib", "uvicorn"),
}
READS_TIME = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns"),
    *("time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns", "loop.time"),
    *("Timestamp.now", "Timestamp.utcnow", "Timestamp.today", "time.localtime", "time.gmtime"),
}
RUNS_CODE = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "headrace.unpickle_once"}


@cache
def sources(*folders: str) -> list[Source]:
    """Every Python file below these folders, parsed."""
    files = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return [
        (path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"), str(path)))
        for path in files
        if not {"__pycache__", ".venv", ".headrace"} & set(path.parts)
    ]


def violations(files: list[Source], look: Callable[[ast.AST], str | None], allowed: tuple[str, ...] = ()) -> list[str]:
    """Where `look` has something to say about a node."""
    return [
        f"{name}:{getattr(node, 'lineno', 0)} {said}"
        for name, tree in files
        if name not in allowed
        for node in ast.walk(tree)
        if (said := look(node))
    ]


def dotted(node: ast.AST) -> str:
    """`a.b.c` for such an expression, as far as its names go."""
    match node:
        case ast.Name(name):
            return name
        case ast.Attribute(value, attr):
            return f"{dotted(value)}.{attr}"
        case ast.Call(func):
            return f"{dotted(func)}()"
        case _:
            return ""


def last_two(node: ast.AST) -> str:
    """The last two names of an expression."""
    return ".".join(dotted(node).split(".")[-2:])


def imported(node: ast.AST) -> list[str]:
    """The modules that a node imports."""
    match node:
        case ast.Import(names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module), names=names, level=0):
            return [module, *(f"{module}.{alias.name}" for alias in names)]
        case _:
            return []


def test_services_never_import_each_other() -> None:
    found = []
    for name, tree in sources("services"):
        own = name.split("/")[1]
        for node in ast.walk(tree):
            others = [m for m in imported(node) if m.startswith("services.") and m.split(".")[1] != own]
            found += [f"{name}:{getattr(node, 'lineno', 0)} imports {module}" for module in others]
    assert found == []


def test_what_is_shared_imports_no_service_and_no_command() -> None:
    def look(node: ast.AST) -> str | None:
        up = [
            module for module in imported(node) if module.split(".")[0] in ("services", "headrace", "examples", "tests")
        ]
        return f"imports {up[0]}" if up else None

    assert violations(sources("shared"), look) == []


def test_services_do_not_import_the_command() -> None:
    def look(node: ast.AST) -> str | None:
        up = [module for module in imported(node) if module.split(".")[0] in ("headrace", "tests")]
        return f"imports {up[0]}" if up else None

    assert violations(sources("services"), look) == []


def test_one_place_commits() -> None:
    def look(node: ast.AST) -> str | None:
        match node:
            # A commit with arguments is one of Kafka offsets.
            case ast.Call(func=ast.Attribute(attr="commit"), args=[], keywords=[]):
                return "commits"
            case ast.Call(func=ast.Attribute(value=ast.Name("session" | "connection" | "engine"), attr="begin")):
                return "begins a transaction"
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="engine" | "session"), attr="begin")):
                return "begins a transaction"
            case _:
                return None

    assert violations(sources(*PROGRAM), look, allowed=("shared/spine/db.py",)) == []


def test_only_settings_read_the_environment() -> None:
    def look(node: ast.AST) -> str | None:
        if isinstance(node, ast.Attribute) and last_two(node) in ("os.environ", "os.getenv", "os.environb"):
            return "reads the environment"
        named = imported(node)
        return "imports the environment" if {"os.environ", "os.getenv"} & set(named) else None

    files = [(name, tree) for name, tree in sources(*PROGRAM) if not name.endswith("/settings.py")]
    assert violations(files, look) == []


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_touches_nothing_outside(name: str) -> None:
    def look(node: ast.AST) -> str | None:
        bad = [module for module in imported(node) if module.split(".")[0] in READS_OR_WRITES]
        bad += [m for m in imported(node) if m.startswith("shared.spine") and not m.startswith("shared.spine.errors")]
        if bad:
            return f"imports {bad[0]}"
        return (
            "opens a file" if isinstance(node, ast.Call) and dotted(node.func) in ("open", "print", "input") else None
        )

    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    assert violations([(name, tree)], look) == []


def test_only_the_clock_reads_the_time() -> None:
    def look(node: ast.AST) -> str | None:
        if isinstance(node, ast.Attribute) and last_two(node) in READS_TIME:
            return f"reads the time: {last_two(node)}"
        named = {".".join(module.split(".")[-2:]) for module in imported(node)} & READS_TIME
        return f"imports {named.pop()}" if named else None

    assert violations(sources(*PROGRAM), look, allowed=("shared/spine/clock.py",)) == []


def test_every_subscriber_goes_through_subscribe() -> None:
    def look(node: ast.AST) -> str | None:
        match node:
            case ast.Call(func=ast.Attribute(attr="subscriber" | "publisher")):
                return f"calls {dotted(node.func)}"
            case _:
                return None

    assert violations(sources(*PROGRAM), look, allowed=("shared/spine/subscribe.py",)) == []


def test_nothing_unpickles_and_nothing_evaluates_text() -> None:
    def look(node: ast.AST) -> str | None:
        bad = [module for module in imported(node) if {module, module.split(".")[0]} & RUNS_CODE]
        if bad:
            return f"imports {bad[0]}"
        match node:
            case ast.Call(func=ast.Name("eval" | "exec" | "compile" | "__import__")):
                return f"calls {dotted(node.func)}"
            case ast.Call(func=ast.Attribute(attr="read_pickle" | "to_pickle")):
                return f"calls {dotted(node.func)}"
            case _:
                return None

    # That process loads a pickle, once, at a person's explicit word, and is imported by nobody.
    assert violations(sources(*PROGRAM), look, allowed=("headrace/unpickle_once.py",)) == []


def test_every_event_has_a_stored_example() -> None:
    assert [topic for topic in CATALOGUE if not (FOLDER / f"{topic}.json").is_file()] == []


def test_every_module_begins_with_a_sentence_that_says_its_job() -> None:
    empty = {name for name, tree in sources(*PROGRAM, "tests") if not tree.body and name.endswith("__init__.py")}
    silent = [
        name
        for name, tree in sources(*PROGRAM, "tests")
        if name not in empty and not re.search(r"[.:;?]", (ast.get_docstring(tree) or "").split("\n\n")[0])
    ]
    assert silent == []


def test_no_test_sleeps() -> None:
    def look(node: ast.AST) -> str | None:
        sleeps = isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] == "sleep"
        return "sleeps" if sleeps else None

    assert violations(sources("tests"), look) == []


def test_tests_have_no_packages_so_that_paths_stay_arithmetic() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_files_and_functions_stay_short_enough_to_hold_one_job() -> None:
    found = []
    for name, tree in sources(*PROGRAM, "tests"):
        lines = len((ROOT / name).read_text(encoding="utf-8").splitlines())
        if lines > LONGEST_FILE:
            found.append(f"{name} has {lines} lines")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    found.append(f"{name}:{node.lineno} {node.name} has {length} lines")
    assert found == []


def committed_texts() -> Iterator[tuple[str, str]]:
    """Every text file that a clone would hold, as git sees them (new ones too, ignored ones not)."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
    for name in sorted(filter(None, listed.split("\0"))):
        path = ROOT / name
        if path.is_file() and path.stat().st_size < 5_000_000:
            try:
                yield name, path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


def test_no_committed_file_names_a_package_registry() -> None:
    # Put together here, since this file is committed too.
    registries = [
        ".".join(parts)
        for parts in (
            ("pypi", "org"), ("pythonhosted", "org"), ("maven", "org"), ("maven", "apache", "org"), ("npmjs", "org"),
            ("npmjs", "com"), ("docker", "io"), ("ghcr", "io"), ("quay", "io"), ("conda", "anaconda"),
        )
    ] + ["--" + "index-url", "--" + "extra-index-url", "PIP_" + "INDEX", "--" + "find-links"]  # fmt: skip
    found = [f"{name} names {host}" for name, text in committed_texts() for host in registries if host in text]
    assert found == []


def test_the_lock_has_a_hash_for_every_package_and_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    entries = re.split(r"\n(?=\S)", text.replace("\\\n", " ").strip())
    packages = [entry for entry in entries if not entry.startswith("#")]
    assert packages
    for entry in packages:
        assert re.match(r"[A-Za-z0-9._\-]+(\[[a-z,\-]+\])?==\S+", entry), entry[:80]
        assert "--hash=sha256:" in entry, entry[:80]
