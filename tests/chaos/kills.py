"""Plays a demo while a random service is killed (kill -9) every few seconds; prints the report's figures.

.venv/bin/python -m tests.chaos.kills --months 3-6 --every 20 --expect <ledger_digest of an undisturbed run>
"""

import argparse
import asyncio
import json
import os
import random
import signal
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from headrace.demo import play
from headrace.scenario import Scenario, load_scenario
from headrace.supervisor import Supervisor

console = Console(soft_wrap=True)
SHOWN = ("accounting", "failed_requests", "tries_again", "value", "reviews", "managed_over_frozen", "replay_seconds")


class Killer:
    """Kills one random service after the other until it is told to stop."""

    def __init__(self, supervisor: Supervisor, every_seconds: float, seed: int) -> None:
        self._supervisor, self._every, self._random = supervisor, every_seconds, random.Random(seed)
        self._next: asyncio.TimerHandle | None = None
        self.killed: list[str] = []

    def start(self) -> None:
        """Kill after the interval, and again."""
        self._next = asyncio.get_running_loop().call_later(self._every, self._strike)

    def stop(self) -> None:
        """Kill nothing more."""
        if self._next is not None:
            self._next.cancel()

    def _strike(self) -> None:
        services = self._supervisor.info.services
        name = self._random.choice(sorted(services))
        pid = services[name].pid
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.killed.append(name)
        self.start()


async def play_disturbed(scenario: Scenario, supervisor: Supervisor, seed: int, killer: Killer) -> dict[str, Any]:
    """Return the demo's report."""
    killer.start()
    try:
        return await play(scenario, supervisor.info, seed)
    finally:
        killer.stop()


def main() -> int:
    """Return 0 when no request failed, the accounting closes and the digest is the expected one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--months", default="3-6")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--every", type=float, default=20.0, help="seconds between two kills")
    parser.add_argument("--expect", help="ledger_digest of an undisturbed run")
    parser.add_argument("--report", type=Path, help="write the whole report as JSON")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="headrace-kills-") as home,
        Supervisor(Path(home), clock="replay", seed=given.seed) as supervisor,
    ):
        supervisor.start()
        scenario = load_scenario("flights", given.months)
        killer = Killer(supervisor, given.every, given.seed)
        report = asyncio.run(play_disturbed(scenario, supervisor, given.seed, killer)) | {"killed": killer.killed}
    if given.report:
        given.report.write_text(json.dumps(report, indent=2, default=str) + "\n", encoding="utf-8")
    console.print(f"killed {len(killer.killed)}: {dict(Counter(killer.killed))}")
    for name in SHOWN:
        console.print(f"{name}: {report[name]}")
    same = given.expect in (None, report["ledger_digest"])
    console.print(f"ledger_digest: {report['ledger_digest']}{'' if same else f', expected {given.expect}'}")
    return 0 if same and report["accounting_closes"] and not report["failed_requests"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
