"""What serving imports stays small, and rows without names are read in the order of the manifest."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.package import read_package
from shared.package.compiled.plan import Limit, Plan, Table, read_plan
from shared.package.compiled.runtime import load_compiled

HEAVY = ("pandas", "sklearn", "scipy", "skops", "onnx", "polars", "pyarrow", "matplotlib")


def test_serving_a_compiled_package_loads_no_library_of_training(toy_package: tuple[Path, str]) -> None:
    path, digest = toy_package
    program = (
        "import sys; from pathlib import Path; import services.serving.activate\n"
        "from shared.package.compiled.runtime import load_compiled\n"
        "from shared.package.golden import check_golden; from shared.package.read import read_package\n"
        "from shared.package.verify import check_served\n"
        f"path = Path({str(path)!r}); manifest = check_served(path, {digest!r})\n"
        "golden = read_package(path).golden\n"
        "check_golden(golden, load_compiled(path, manifest).score(golden.columns))\n"
        f"sys.exit(', '.join(set({HEAVY!r}) & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_one_row_is_the_same_row_with_names(toy_package: tuple[Path, str]) -> None:
    path, _ = toy_package
    scorer = load_compiled(path, read_package(path).manifest)
    assert scorer.score_row([0.3], ["red"]) == scorer.score({"size": [0.3], "colour": ["red"]})[0]
    assert scorer.score_row([None], [None]) == scorer.score({"size": [None], "colour": [None]})[0]
    assert scorer.score_array({"size": [0.1, 0.2], "colour": ["red", "~"]}).shape == (2, 1)


def test_threads_that_score_at_once_get_the_answers_of_their_own_rows(toy_package: tuple[Path, str]) -> None:
    path, _ = toy_package
    scorer = load_compiled(path, read_package(path).manifest)
    sizes = [place / 50 - 2 for place in range(200)]
    wanted = scorer.score({"size": sizes, "colour": ["green"] * 200})
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda size: scorer.score_row([size], ["green"]), sizes)) == wanted


def test_a_plan_reads_back_as_it_was_written_and_odd_ones_are_refused() -> None:
    table = Table(1, ("a", "b"), ((1.0, float("inf")), None), (0.0, 0.5), None)
    plan = Plan((0,), (table,), (Limit(0, True, -1e300, 3.5),))
    kinds = ("number", "category")
    assert read_plan(plan.to_json(), kinds) == plan
    assert plan.width == 3
    for old, new in (
        ('"feature":1', '"feature":0'),
        ('"a"', '"b"'),
        ("[0]", "[0,0]"),
        ("true", "1"),
        ("[0]", "[true]"),
    ):
        assert old in plan.to_json()
        with pytest.raises(ValueError, match=r"plan|feature|levels|limit"):
            read_plan(plan.to_json().replace(old, new), kinds)
    for text in ("null", "[]", "{}", '{"version": 2}'):
        with pytest.raises(ValueError, match="plan"):
            read_plan(text, kinds)
