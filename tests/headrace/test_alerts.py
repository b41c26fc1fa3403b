"""The alert rules speak of metrics and labels that exist, and every alert is explained to whoever gets it."""

import importlib
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from prometheus_client import REGISTRY

from headrace.cli import app

ROOT = Path(__file__).resolve().parents[2]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "docs" / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
MODULES = ("shared.spine", "services.registry", "services.trainer", "services.serving", "services.monitor")
_WORDS = re.compile(r"\"[^\"]*\"|[a-zA-Z_:]\w*")
# What PromQL itself says, in the part of it that we use.
_LANGUAGE = {"sum", "max", "by", "increase", "or", "unless", "offset"}
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])


def metrics() -> dict[str, set[str]]:
    """Every sample of our metrics -> its labels; counters are named with `_total`."""
    found: dict[str, set[str]] = {}
    for module in MODULES:
        for metric in vars(importlib.import_module(f"{module}.metrics")).values():
            if hasattr(metric, "_labelnames"):
                suffix = "_total" if metric._type == "counter" else ""
                found[metric._name + suffix] = set(metric._labelnames)
    return found


def words(expression: str) -> Iterator[str]:
    """The names in an expression: metrics, labels, words of the language; durations and texts are none."""
    plain = re.sub(r"\b\d+[smh]\b", "", expression)
    yield from (word for word in _WORDS.findall(plain) if not word.startswith('"'))


@each_rule
def test_a_rule_names_only_metrics_and_labels_that_exist(rule: Mapping[str, Any]) -> None:
    known = metrics()
    named = [word for word in words(rule["expr"]) if word in known]
    assert named
    labels = set.union(*(known[name] for name in named))
    assert set(words(rule["expr"])) - known.keys() - _LANGUAGE - labels == set()
    texts = " ".join(rule["annotations"].values())
    grouped = set(re.findall(r"by \(([^)]*)\)", rule["expr"]))
    kept = {label.strip() for labels in grouped for label in labels.split(",")}
    assert set(re.findall(r"\$labels\.(\w+)", texts)) <= kept


@each_rule
def test_every_metric_of_a_rule_is_in_the_registry_that_is_scraped(rule: Mapping[str, Any]) -> None:
    metrics()
    ours = {word for word in words(rule["expr"]) if re.match(r"(spine|registry|trainer|serving|monitor)_", word)}
    assert ours
    assert ours <= set(REGISTRY._names_to_collectors)


@each_rule
def test_a_rule_has_what_prometheus_and_a_person_need(rule: Mapping[str, Any]) -> None:
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Headrace[A-Z]\w+", rule["alert"])
    assert re.fullmatch(r"\d+m", rule.get("for", "1m"))
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"].keys() == {"summary", "description"}
    assert rule["expr"].count("(") == rule["expr"].count(")")


def test_every_alert_is_explained_and_nothing_else_is() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(Headrace\w+)` \|", text, re.MULTILINE)
    assert told == [rule["alert"] for rule in RULES]


def test_commands_in_alerts_exist() -> None:
    group: Any = typer.main.get_group(app)
    said = [rule["annotations"]["description"] for rule in RULES]
    commands = [shlex.split(text)[1:] for text in said if text.startswith("headrace ")]
    assert commands
    for name, *rest in commands:
        command = group.commands[name]
        if hasattr(command, "commands"):
            command, rest = command.commands[rest[0]], rest[1:]
        options = {option for parameter in command.params for option in parameter.opts}
        assert [word for word in rest if word.startswith("--") and word not in options] == []
