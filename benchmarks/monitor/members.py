"""What a second member of the monitor brings: `python -m benchmarks.monitor.members --cores-each 0.35`.

One member and two take the same backlog in turns. Kafka and whoever measures take a core and a member alone fills
another, so without `--cores-each` a machine needs four. With it every member has the same share of a core.
"""

import argparse
import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.monitor.stream import Streamed, run


def summary(found: Mapping[int, Sequence[Streamed]], cores_each: float | None) -> dict[str, Any]:
    """Runs by number of members, and how two compare with one in the median."""
    speed = {members: median(one.events_per_second for one in runs) for members, runs in found.items()}
    return {
        "cores": os.cpu_count(),
        "cores_each": cores_each,
        "events_per_second": {members: round(each) for members, each in speed.items()},
        "ratio": round(speed[2] / speed[1], 2),
        "runs": {members: [asdict(one) for one in runs] for members, runs in found.items()},
    }


def main() -> None:
    """Measure one and two members in turns, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_200_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--cores-each", type=float, help="share of a core of each member (takes root, control groups)")
    parser.add_argument("--report", type=Path)
    asked = parser.parse_args()
    found: dict[int, list[Streamed]] = {1: [], 2: []}
    for _ in range(asked.rounds):
        for members, runs in found.items():
            runs.append(asyncio.run(run(asked.events, members, asked.cores_each)))
    said = summary(found, asked.cores_each)
    print(json.dumps(said, indent=1))
    if asked.report:
        asked.report.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
