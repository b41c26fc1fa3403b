"""How long the model alone takes in process, without any server: PACKAGE ROWS; prints one line of JSON."""

import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.serving.records import columns_of, read_records
from shared.package import Package, predict_scores, read_package, to_frame
from shared.spine.clock import monotonic

_RUNS, _SECONDS = 200, 4.0


def seconds_of(call: Callable[[], Any]) -> float:
    """The median time of a call, of up to 200 within about 4 seconds."""
    call()
    taken: list[float] = []
    end = monotonic() + _SECONDS
    while len(taken) < _RUNS and monotonic() < end:
        begun = monotonic()
        call()
        taken.append(monotonic() - begun)
    return statistics.median(taken)


def compiled(package: Package) -> Callable[[dict[str, list[Any]]], Any] | None:
    """The compiled form's function from columns to scores; None when the package or this version has none."""
    try:
        from shared.package.compiled.runtime import load_compiled

        return load_compiled(package.path, package.manifest).score_array
    except (ImportError, FileNotFoundError):
        return None


def main() -> None:
    """Measure both forms on the same columns."""
    package, count = read_package(Path(sys.argv[1])), int(sys.argv[2])
    columns = columns_of(read_records(count))
    model, features, classes = package.load_model(), package.manifest.features, package.manifest.classes
    said = {
        "scikit_learn": seconds_of(lambda: predict_scores(model, "binary", to_frame(features, columns), classes)),
    }
    if score := compiled(package):
        said["compiled"] = seconds_of(lambda: score(columns))
    print(json.dumps(said))


if __name__ == "__main__":
    main()
