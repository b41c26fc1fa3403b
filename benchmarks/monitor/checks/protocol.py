"""What every checker is asked, in an environment of its own: how fast and in how much memory, and what it flags.

`python CHECKER.py speed REFERENCE DATA ROUNDS` or `python CHECKER.py windows REFERENCE WINDOWS`; prints one line of
JSON. Seconds are those of the processor, of all threads of the process: other programs count for nothing.
"""

import gc
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

# Answers whether anything drifted in a window, as the tool says it at its defaults.
Check = Callable[[pd.DataFrame], bool]
Prepare = Callable[[pd.DataFrame, int], Check]


def answer(prepare: Prepare) -> None:
    """Do what the command line asks; `prepare` takes the reference and the rows of a window, once."""
    warnings.simplefilter("ignore")
    mode, reference, data = sys.argv[1], read_frame(sys.argv[2]), sys.argv[3]
    found = windows(prepare, reference, data) if mode == "windows" else speed(prepare, reference, data)
    print(json.dumps(found), flush=True)


def read_frame(path: str) -> pd.DataFrame:
    """Return numbers n0, n1, … and texts c0, c1, … of a file."""
    with np.load(path) as stored:
        columns = {f"n{place}": np.ascontiguousarray(column) for place, column in enumerate(stored["numbers"].T)}
        levels = np.array([f"level {place}" for place in range(100)], dtype=object)
        columns |= {f"c{place}": levels[column] for place, column in enumerate(stored["texts"].T)}
    return pd.DataFrame(columns)


def speed(prepare: Prepare, reference: pd.DataFrame, data: str) -> dict[str, object]:
    frame = read_frame(data)
    check = prepare(reference, len(frame))
    # Imports and caches of the first call are nobody's speed.
    check(frame.head(1_000))
    seconds, extra = [], 0.0
    for _ in range(int(sys.argv[4])):
        gc.collect()
        before = reset_peak()
        began = time.process_time()
        check(frame)
        seconds.append(time.process_time() - began)
        extra = max(extra, resident("VmHWM") - before)
    return {"rows": len(frame), "cpu_seconds": seconds, "extra_megabytes": extra}


def windows(prepare: Prepare, reference: pd.DataFrame, data: str) -> dict[str, list[bool]]:
    found = {}
    with np.load(data) as stored:
        for name in stored.files:
            every = stored[name]
            check = prepare(reference, every.shape[1])
            found[name] = [
                bool(check(pd.DataFrame({f"n{place}": rows[:, place] for place in range(rows.shape[1])})))
                for rows in every
            ]
    return found


def reset_peak() -> float:
    """Forget the peak of the process's memory; return what it holds now, in MB."""
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def resident(what: str) -> float:
    """Return a line of the process's status in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what + ":"))
