"""Prints what the system and the registry answered, for a person."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from headrace.run_info import RunInfo


def show_addresses(info: RunInfo, console: Console) -> None:
    """Where everything answers, and what to do next."""
    _say(console, f"Headrace runs under {info.home}")
    table = Table(show_header=False)
    table.add_row("kafka", info.kafka)
    for name, service in info.services.items():
        table.add_row(name, service.url)
    console.print(table)
    console.print("Each service documents its API at /docs.")
    console.print("Next: headrace apply CONTRACT · headrace status · headrace watch · headrace down", soft_wrap=True)


def show_application(answer: Mapping[str, Any], console: Console) -> None:
    """What an applied contract changed."""
    name, revision = answer.get("use_case"), answer.get("revision")
    if answer.get("unchanged"):
        _say(console, f"{name} is in force as it is (revision {revision}): nothing changed.")
        return
    would = "would be" if answer.get("dry_run") else "is"
    _say(console, f"{name} {would} in force as revision {revision} (contract {str(answer.get('digest'))[:12]}).")
    for path in answer.get("changed") or ():
        _say(console, f"  changed: {path}")
    forecast = answer.get("forecast")
    if isinstance(forecast, dict):
        console.print(_forecast_table(forecast))
    if answer.get("release_sequence"):
        _say(console, f"The same package is served under the new policy as release {answer['release_sequence']}.")
    elif answer.get("releases_anew"):
        _say(console, "The same package would be released under the new policy.")
    if answer.get("note"):
        _say(console, str(answer["note"]))


def show_release(answer: Mapping[str, Any], console: Console) -> None:
    """What is served from now on."""
    sequence, package = answer.get("sequence"), str(answer.get("package_digest", ""))
    _say(console, f"{answer.get('use_case')}: release {sequence} serves package {package} ({answer.get('cause')}).")


def show_capacity(answer: Mapping[str, Any], console: Console) -> None:
    """What a team takes in a block from now on, and what that does to an average day."""
    _say(console, f"{answer['use_case']}: {told_capacity(answer)}")
    if isinstance(answer.get("forecast"), dict):
        console.print(_forecast_table(answer["forecast"]))


def told_capacity(word: Mapping[str, Any]) -> str:
    """A team's word in one line.

    >>> told_capacity({"decision": "review", "limit": 120, "contract_limit": 200, "block": "2013-03-04",
    ...     "reason": "two of us are ill", "changed_by": "desk"})
    'review 120 of 200 in block 2013-03-04, says desk: two of us are ill'
    """
    limits = f"{word['decision']} {word['limit']} of {word['contract_limit']} in block {word['block']}"
    return f"{limits}, says {word['changed_by']}: {word['reason']}"


def show_ledger(answer: Mapping[str, Any], console: Console) -> None:
    """What is or was in production and why, then the history up to there."""
    now, when = answer.get("in_production"), f"at {answer['at']}" if answer.get("at") else "now"
    if now:
        _say(console, f"{answer['use_case']} {when}: release {now['sequence']} serves package {now['package_digest']},")
        _say(console, str(now["why"]))
    else:
        _say(console, f"{answer['use_case']} {when}: nothing is released.")
    for entry in answer["entries"]:
        _say(console, f"{entry['position']:>5}  {entry['at'][:16]}  {entry['kind']}  {entry['text']}")


def _forecast_table(forecast: Mapping[str, Any]) -> Table:
    before, after = (_lines_of_forecast(dict(forecast.get(side) or {})) for side in ("before", "after"))
    table = Table(title="An average day, on the package's reference days", title_justify="left")
    for column in ("", "before", "after"):
        table.add_column(column, justify="left" if not column else "right")
    for key in dict.fromkeys((*before, *after)):
        table.add_row(key, before.get(key, "–"), after.get(key, "–"))
    return table


def _lines_of_forecast(side: Mapping[str, Any]) -> dict[str, str]:
    """Label -> number as a person reads it; money in whole units."""
    reviews = side.get("reviews_per_day") or {}
    lines = {"cases": f"{side.get('volume_per_day', 0):,.0f}"}
    for name, count in (side.get("decisions_per_day") or {}).items():
        lines[f"decided {name}" + (" (capped)" if name in reviews else "")] = f"{count:,.1f}"
    if "value_per_day_minor" in side:
        value = side["value_per_day_minor"] / 10 ** side.get("minor_digits", 2)
        lines["better than without a model by"] = f"{value:,.2f} {side.get('currency', '')}".strip()
    return lines


def _say(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)
