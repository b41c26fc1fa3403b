"""The alert rules speak of metrics and labels that exist, and every alert is explained to whoever gets it."""

import importlib
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
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
_LANGUAGE = {"sum", "max", "min", "by", "increase", "or", "unless", "offset", "on", "absent"}
# What Prometheus itself knows of whom it asks.
OF_PROMETHEUS = {"up": {"job", "instance"}}
PROMISES = [str(number) for number in range(1, 10)]
EXAMPLES = ROOT / "tests" / "headrace" / "alerts_test.yml"
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])


def metrics() -> dict[str, set[str]]:
    """Every sample of our metrics -> its labels; counters are named with `_total`."""
    found: dict[str, set[str]] = dict(OF_PROMETHEUS)
    for module in MODULES:
        for metric in vars(importlib.import_module(f"{module}.metrics")).values():
            if hasattr(metric, "_labelnames"):
                suffix = "_total" if metric._type == "counter" else ""
                found[metric._name + suffix] = set(metric._labelnames)
    return found


def words(expression: str) -> Iterator[str]:
    """The names in an expression: metrics, labels, words of the language; durations and texts are none."""
    plain = re.sub(r"\b\d+[smhd]\b", "", expression)
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
    assert ours or OF_PROMETHEUS.keys() & set(words(rule["expr"]))
    assert ours <= set(REGISTRY._names_to_collectors)


@each_rule
def test_a_rule_has_what_prometheus_and_a_person_need(rule: Mapping[str, Any]) -> None:
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Headrace[A-Z]\w+", rule["alert"])
    assert re.fullmatch(r"\d+[mh]", rule.get("for", "1m"))
    assert rule["labels"].keys() == {"severity", "promise"}
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["labels"]["promise"] in PROMISES
    assert rule["annotations"].keys() == {"summary", "description"}
    assert rule["expr"].count("(") == rule["expr"].count(")")


def test_every_alert_is_explained_and_nothing_else_is() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(Headrace\w+)` \|", text, re.MULTILINE)
    assert told == [rule["alert"] for rule in RULES]


def test_operations_say_of_every_alert_whether_to_wake_somebody() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    now, morning = (re.findall(r"`(Headrace\w+)`", line) for line in re.findall(r"^\| (?:now|in the) .*$", text, re.M))
    by_severity = {
        severity: {rule["alert"] for rule in RULES if rule["labels"]["severity"] == severity}
        for severity in ("critical", "warning")
    }
    assert len(now) + len(morning) == len(RULES)
    assert set(morning) >= by_severity["warning"], "a warning wakes nobody"
    assert set(now) | set(morning) == by_severity["critical"] | by_severity["warning"]


def test_each_promise_has_an_alert_and_the_promises_are_those_of_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    promised = re.findall(r"^\| (\d) \| ", text.partition("## What it promises")[2], re.MULTILINE)
    assert promised == PROMISES
    assert {rule["labels"]["promise"] for rule in RULES} == set(PROMISES)


def test_every_alert_has_an_example_of_firing_and_one_of_rest() -> None:
    tests = yaml.safe_load(EXAMPLES.read_text(encoding="utf-8"))["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    for fires in (True, False):
        shown = {case["alertname"] for case in cases if bool(case.get("exp_alerts")) == fires}
        assert shown == {rule["alert"] for rule in RULES}, fires


@pytest.mark.parametrize("arguments", [("check", "rules", "docs/alerts.yml"), ("test", "rules", str(EXAMPLES))])
def test_prometheus_itself_reads_the_rules_and_they_fire_as_they_should(arguments: Sequence[str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        if os.environ.get("CI") == "true":
            pytest.fail("promtool is missing: apt-get install prometheus")
        pytest.skip("promtool is missing; on Debian: apt-get install prometheus")
    done = subprocess.run([promtool, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


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
