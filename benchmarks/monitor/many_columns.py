"""A million rows of a thousand columns in array batches: rows a CPU second, and whether memory grows.

`python -m benchmarks.monitor.many_columns ROWS COLUMNS`; prints one line of JSON. Memory is read after each tenth.
"""

import gc
import json
import sys
import time
from pathlib import Path

import numpy as np

from shared.package.bins import fit_number_bins
from shared.package.inputs import RunningProfile

BATCH = 5_000


def measure(rows: int, columns: int) -> dict[str, object]:
    """Count `rows` rows of `columns` columns, 5,000 at a time, each batch drawn anew into the same array."""
    random = np.random.default_rng(0)
    names = [f"f{place}" for place in range(columns)]
    running = RunningProfile({name: fit_number_bins(random.normal(size=2_000)) for name in names}, {})
    batch = np.empty((columns, BATCH))
    spent, megabytes = 0.0, []
    for done in range(0, rows, BATCH):
        random.standard_normal(out=batch)
        began = time.process_time()
        running.add(dict(zip(names, batch, strict=True)))
        spent += time.process_time() - began
        if (done // BATCH + 1) % max(rows // BATCH // 10, 1) == 0:
            gc.collect()
            megabytes.append(resident())
    counted = running.profile()
    assert all(sum(bins.counts) == counted.rows for bins in counted.numbers.values())
    steps = np.arange(len(megabytes)) * (rows / 10)
    return {
        "rows": counted.rows,
        "columns": columns,
        "values_per_cpu_second": counted.rows * columns / spent,
        "cpu_seconds": spent,
        "resident_megabytes": megabytes,
        "megabytes_per_million_rows": float(np.polyfit(steps[1:], megabytes[1:], 1)[0] * 1e6),
    }


def resident() -> float:
    """Return the memory of this process, MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:3]))), flush=True)
