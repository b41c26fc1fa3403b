"""PURE: the report of a chaos run, as one document and as a page."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from shared.spine.points import POINTS
from tests.chaos.checks import CHECKS, Violation
from tests.chaos.plan import SERVICES, Form

_COMMANDS = {
    "quick": "make chaos QUICK=1",
    "long": "make chaos",
    "money": "python -m tests.chaos.run --money",
}


def shortages(form: Form, done: Mapping[str, int]) -> list[str]:
    """What was disturbed less often than the form asks for, in words."""
    wanted = {
        **{f"kill {service}": form.kills_per_service for service in SERVICES},
        **{f"point {point}": form.firings_per_point for point in POINTS},
        "pause": form.pauses,
        "restart of Kafka": form.kafka_restarts,
        "outage of Kafka": 1,
        "torn": form.torn_files,
        "disk full": form.disk_full,
        "duplicates": form.duplicates,
        **{
            name: 1
            for name, share in (("label late", form.late), ("label corrected", form.corrected), ("asked", form.twice))
            if share
        },
    }
    have = {name: sum(n for key, n in done.items() if key == name or key.startswith(f"{name} ")) for name in wanted}
    return [f"{name}: {have[name]} of {count}" for name, count in wanted.items() if have[name] < count]


def build(
    form: Form, seed: int, done: Counter[str], broken: Sequence[Violation], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """The whole document."""
    return {
        "form": asdict(form),
        "seed": seed,
        "violations": sum(violation.count for violation in broken),
        "violations_by_name": dict.fromkeys(CHECKS, 0) | {violation.name: violation.count for violation in broken},
        "examples": {violation.name: list(violation.examples) for violation in broken},
        "disturbances": dict(sorted(done.items())),
        **facts,
    }


def page(report: Mapping[str, Any]) -> str:
    """The same as Markdown."""
    facts = {name: value for name, value in report.items() if not isinstance(value, dict)}
    lines = [
        f"# Chaos run, {report['form']['name']} form, seed {report['seed']}",
        "",
        f"{report['violations']} violations. Made by `{_COMMANDS[report['form']['name']]}`; the same numbers as JSON "
        "stand beside this page.",
        "",
        *_table("What", "Value", facts),
        *_table("Disturbance", "Times", report["disturbances"]),
        *_table("Accounting", "Predictions", report["accounting"]),
        *_table("Value in minor units, by", "Value", report.get("value_minor", {})),
        *_table("Promise broken", "Times", report["violations_by_name"]),
    ]
    for name, examples in report["examples"].items():
        lines += [f"## {name}", "", *(f"- {example}" for example in examples), ""]
    return "\n".join(lines)


def _table(name: str, value: str, rows: Mapping[str, Any]) -> list[str]:
    lines = [f"| {key.replace('_', ' ')} | {_shown(each)} |" for key, each in rows.items()]
    return [f"| {name} | {value} |", "|---|---|", *lines, ""]


def _shown(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return value if isinstance(value, str) else json.dumps(value)
