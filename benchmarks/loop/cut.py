"""What a backtest says of a smaller desk, beside what a real replay with that desk earned.

`python -m benchmarks.loop.cut --limit 150 --report FILE` plays a month of flights twice through a whole system on real
Kafka, under the contract as it is and with fewer reviews a day. The log of the first is backtested under the contract
as it is, which must give what was earned, and under the smaller one, which is compared with the second, block by block.
"""

import argparse
import asyncio
import json
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from headrace import demo
from headrace.backtest import Asked, run
from headrace.backtest_report import Backtest
from headrace.errors import CommandError
from headrace.scenario import EXAMPLES, Scenario, load_scenario
from headrace.supervisor import Supervisor
from shared.contract import read_contract

USUAL = "limit: 200"


def scenario_with(months: str, limit: int) -> Scenario:
    """The flights with so many reviews a day; raises CommandError when the contract's limit is another."""
    text = (EXAMPLES / "flights_late" / "contract.yaml").read_text(encoding="utf-8")
    if text.count(USUAL) != 1:
        raise CommandError(f"the contract of the flights has no single {USUAL!r}")
    return load_scenario("flights", months).under(text.replace(USUAL, f"limit: {limit}"))


def play(scenario: Scenario, others: list[Scenario], seed: int) -> tuple[dict[str, Any], list[Backtest]]:
    """Play it; return its report, and its log backtested as it was and under each other contract."""
    with tempfile.TemporaryDirectory() as folder:
        supervisor = Supervisor(Path(folder), clock="replay", seed=seed)
        try:
            running = supervisor.start()
            report = asyncio.run(demo.play(scenario, running, seed))
            first, last = scenario.days[0], scenario.days[-1]
            return report, [backtested(Path(folder), scenario, first, last, other) for other in (None, *others)]
        finally:
            supervisor.stop()


def backtested(home: Path, scenario: Scenario, first: date, last: date, other: Scenario | None) -> Backtest:
    """The logged decisions decided again, with the labels known at the end of the replay."""
    rules = read_contract(other.contract_text) if other else None
    return run(home, Asked(scenario.contract.use_case, first, last, scenario.end, rules))


def compare(usual: list[Backtest], smaller: list[Backtest], limit: int) -> dict[str, Any]:
    """What was earned, what the backtest said, and by how much they differ, of the labelled; money in minor units."""
    as_it_was, forecast, real = *usual, smaller[0]
    pairs = {one.block: (one.value, other.earned) for one, other in zip(forecast.blocks, real.blocks, strict=True)}
    return {
        "months_days": len(pairs),
        "limit": limit,
        "earned": as_it_was.total("earned"),
        "backtest_as_it_was": as_it_was.total("value"),
        "reproduces": as_it_was.reproduces,
        "backtest_smaller": forecast.total("value"),
        "earned_smaller": real.total("earned"),
        "decided_otherwise": forecast.changed,
        "blocks_that_differ": sum(one != other for one, other in pairs.values()),
        "largest_difference": max(abs(one - other) for one, other in pairs.values()),
        "blocks": pairs,
    }


def main() -> None:
    """Print the comparison; exit status 1 when the backtest of the released rules is not what was earned."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--months", default="3")
    parser.add_argument("--limit", type=int, default=150)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--report", type=Path)
    asked = parser.parse_args()
    usual, smaller = load_scenario("flights", asked.months), scenario_with(asked.months, asked.limit)
    found = compare(play(usual, [smaller], asked.seed)[1], play(smaller, [], asked.seed)[1], asked.limit)
    print(json.dumps({name: value for name, value in found.items() if name != "blocks"}, indent=2))
    if asked.report:
        asked.report.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if not found["reproduces"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
