"""PURE: the report of the soak: each part beside what is asked of it; parts of different runs stand together."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Found = Mapping[str, Any]
COMMAND = "python -m benchmarks.serving.soak"


class Line(NamedTuple):
    """What of a part must be at most (or at least) what."""

    part: str
    key: str
    what: str
    most: float
    least: float = 0.0


LINES = (
    Line("swaps", "swaps", "releases under load, two workers", float("inf"), 200),
    Line("swaps", "errors", "errors", 0),
    Line("swaps", "answers_of_a_wrong_version", "answers of a version outside {old, new}", 0),
    Line("swaps", "p99_near_over_calm", "p99 near a swap over p99 elsewhere", 1.5),
    Line("swaps", "warm_switch_ms_p99", "milliseconds until a worker has switched to a warm package, p99", 100),
    Line("volume", "answered", "requests answered", float("inf"), 1_000_000),
    Line("volume", "worker_growth_megabytes", "megabytes by which all workers grew", 10),
    Line("volume", "answered_and_not_on_kafka", "answered and not on Kafka", 0),
    Line("volume", "copies_after_dedupe", "predictions on Kafka twice, after dedupe", 0),
    Line("away", "away_seconds", "seconds without Kafka", float("inf"), 600),
    Line("away", "failed", "failed, asked once more with the same request_id", 0),
    Line("away", "answered_and_not_on_kafka", "answered and not delivered later", 0),
    Line("away", "drain_seconds", "seconds until all of it was delivered, load going on", 120),
    Line("capacity", "workers_killed", "workers killed with kill -9, of four", float("inf"), 1),
    Line("capacity", "failed", "failed, asked once more with the same request_id", 0),
    Line("capacity", "over_the_capacity", "reviews above the capacity of the stormy day", 0),
    Line("capacity", "places_given_twice", "places of the capacity given twice", 0),
    Line("capacity", "quiet_day_differs_by", "reviews more or fewer on the quiet day than wanted", 0),
)


def met(line: Line, found: Found) -> bool | None:
    """Whether a line holds; None where it was not measured."""
    measured = found.get(line.part, {}).get(line.key)
    return None if measured is None else line.least <= measured <= line.most


def broken(found: Found, parts: Sequence[str]) -> list[str]:
    """What of these parts is not as promised."""
    return [
        f"{line.part}: {line.what}: {found[line.part][line.key]:g}"
        for line in LINES
        if line.part in parts and met(line, found) is False
    ]


def page(found: Found) -> str:
    """The report as Markdown."""
    lines = [
        "# Serving for a long time",
        "",
        f"Made by `{COMMAND}`; each part on a Kafka of its own, as the product starts it. The same numbers stand in "
        "the JSON beside this page, with the command and the load of the machine before each part.",
        "",
        "| Part | What | Asked | Measured | Met |",
        "|---|---|---|---|---|",
        *(_line(line, found) for line in LINES),
    ]
    for part, said in found.items():
        lines += ["", f"## {part}", "", *(f"- {key.replace('_', ' ')}: {value}" for key, value in said.items())]
    return "\n".join(lines) + "\n"


def _line(line: Line, found: Found) -> str:
    holds, measured = met(line, found), found.get(line.part, {}).get(line.key)
    asked = f">= {int(line.least):,}" if line.most == float("inf") else f"<= {line.most:,.10g}"
    shown = "not measured" if measured is None else f"{measured:,.10g}"
    word = {None: "", True: "yes", False: "**no**"}[holds]
    return f"| {line.part} | {line.what} | {asked} | {shown} | {word} |"
