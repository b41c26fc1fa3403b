"""`headrace dead` on real Kafka: what an operator types, and what then lies in the topics."""

import asyncio
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from headrace import dead_commands
from headrace.cli import app
from shared.events import Record
from shared.spine.publisher import Publisher
from shared.spine.settings import SpineSettings
from shared.spine.topics import provision
from tests.delivery.seen import everything
from tests.events.records import body, record
from tests.headrace.letters import refused

pytestmark = pytest.mark.kafka
TOPIC = "model_rejected"
GOOD = record(TOPIC)
Run = Callable[..., Result]


def given(kafka: str, *records: Record) -> None:
    """Put records on Kafka, topics made first."""

    async def send() -> None:
        options = SpineSettings(kafka=kafka).kafka_options()
        await provision(options)
        publisher = Publisher(options)
        await publisher.send(records)
        await publisher.stop()

    asyncio.run(send())


def lying(kafka: str, topic: str) -> list[Any]:
    """Every record of a topic."""
    return asyncio.run(everything(kafka, topic))


@pytest.fixture
def run(kafka: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The command, as an operator of this Kafka types it."""
    monkeypatch.setenv("HEADRACE_KAFKA", kafka)
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))
    monkeypatch.setattr(dead_commands, "console", Console(width=250))

    def invoke(*arguments: str, said: str | bytes | None = None) -> Result:
        return CliRunner().invoke(app, ["dead", *arguments], input=said)

    return invoke


@pytest.fixture
def service(kafka: str) -> str:
    """A service that no other test speaks of, with three dead letters: malformed, permanent, bug."""
    name = f"s{uuid.uuid4().hex[:8]}"
    given(
        kafka,
        refused(b"{not \x1b[31mjson", kind="malformed", service=name, topic=TOPIC, offset=1, like=GOOD),
        refused(
            GOOD.value,
            reason="permanent: the \x1b[31mdigest is another",
            service=name,
            topic=TOPIC,
            offset=2,
            like=GOOD,
        ),
        refused(GOOD.value, kind="bug", reason="bug: 'x'", service=name, topic=TOPIC, offset=3, like=GOOD),
    )
    return name


def listed(run: Run, service: str, *arguments: str) -> list[dict[str, Any]]:
    """What `list --json` says of a service's letters."""
    result = run("list", "--service", service, "--json", *arguments)
    assert result.exit_code == 0, result.output
    letters: list[dict[str, Any]] = json.loads(result.stdout)["letters"]
    return letters


def test_list_shows_letters_and_a_summary_and_no_bytes_of_strangers(run: Run, service: str) -> None:
    result = run("list", "--service", service)
    assert result.exit_code == 0
    for words in ("malformed", "permanent", "flights_late", "the �[31mdigest is another", "1 malformed, 1 permanent"):
        assert words in result.stdout
    assert "\x1b[31m" not in result.stdout
    (bug,) = listed(run, service, "--kind", "bug")
    assert (bug["reason"], bug["group"], bug["original"]) == (
        *("SomeError: 'x'", f"{service}.{TOPIC}", {"partition": 0, "offset": 3}),
    )
    assert len(listed(run, service, "--limit", "2")) == 2
    assert listed(run, service, "--topic", "kpi_reported") == listed(run, service, "--until", "2020-01-01") == []
    assert "No dead letters." in run("list", "--service", "nobody").stdout


def test_show_tells_all_of_one_letter_and_gives_its_body(run: Run, service: str, tmp_path: Path) -> None:
    malformed, permanent, _ = listed(run, service)
    shown = run("show", permanent["letter"]).stdout
    for words in ("permanent (SomeError)", f"{TOPIC}/0/2", "ce_id = ", '"gate"', "of 2013-"):
        assert words in shown
    assert "dead_reason" not in shown
    assert "not readable: body: must be a JSON object" in run("show", malformed["letter"]).stdout
    whole = json.loads(run("show", malformed["letter"], "--json").stdout)
    assert whole["body"] == {"text": "{not \x1b[31mjson"}
    assert {"name": "ce_type", "text": TOPIC} in whole["headers"]
    assert run("show", permanent["letter"], "--body-only").stdout_bytes == GOOD.value
    absent = run("show", f"{TOPIC}.dead/0/99999")
    assert (absent.exit_code, "there is no dead letter" in absent.stderr) == (1, True)


def test_a_body_that_is_not_text_is_shown_as_hex(run: Run, kafka: str) -> None:
    name = f"s{uuid.uuid4().hex[:8]}"
    given(kafka, refused(b"\x00\xff\xfe", kind="malformed", service=name, topic=TOPIC, like=GOOD))
    (letter,) = listed(run, name)
    assert "(hex) 00 ff fe" in run("show", letter["letter"]).stdout
    assert json.loads(run("show", letter["letter"], "--json").stdout)["body"] == {"base64": "AP/+"}


def test_replay_asks_writes_the_original_and_keeps_who_did_it(run: Run, service: str, kafka: str) -> None:
    before = len(lying(kafka, TOPIC))
    dry = run("replay", "--service", service, "--dry-run")
    assert (dry.exit_code, "2 would be replayed" in dry.stdout, "refused again" in dry.stdout) == (1, True, True)
    assert run("replay", "--service", service, said="n\n").exit_code == 1
    assert len(lying(kafka, TOPIC)) == before
    done = run("replay", "--service", service, "--by", "ada", "--reason", "store repaired", said="y\n")
    assert "2 replayed" in done.stdout
    replayed = lying(kafka, TOPIC)[before:]
    assert [(r.key, r.value, r.headers) for r in replayed] == [(GOOD.key, GOOD.value, GOOD.headers)] * 2
    assert [letter["kind"] for letter in listed(run, service)] == ["malformed"]
    states = {letter["kind"]: letter for letter in listed(run, service, "--all")}
    assert [states[kind]["state"] for kind in ("malformed", "permanent", "bug")] == ["open", "replayed", "replayed"]
    assert (states["bug"]["settled"]["by"], states["bug"]["settled"]["reason"]) == ("ada", "store repaired")
    assert "replayed" in run("list", "--service", service, "--all").stdout
    again = run("replay", states["bug"]["letter"], "--yes")
    assert (again.exit_code, "it was replayed already by ada" in again.stdout) == (1, True)
    assert run("replay", states["bug"]["letter"], "--again", "--yes").exit_code == 0
    assert len(lying(kafka, TOPIC)) == before + 3


def test_replay_takes_a_repaired_body_from_a_file_or_a_pipe(run: Run, service: str, kafka: str, tmp_path: Path) -> None:
    before = len(lying(kafka, TOPIC))
    malformed, *_ = listed(run, service)
    repaired = body(TOPIC, explanation="repaired")
    (tmp_path / "body.json").write_bytes(repaired)
    done = run("replay", malformed["letter"], "--body", str(tmp_path / "body.json"), "--yes", "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["done"][0]["repaired"], said["not_done"], said["dry_run"]) == (True, [], False)
    piped = run("replay", malformed["letter"], "--body", "-", "--again", "--yes", said=repaired)
    assert piped.exit_code == 0, piped.output
    assert [r.value for r in lying(kafka, TOPIC)[before:]] == [repaired] * 2
    assert {letter["state"] for letter in listed(run, service, "--all", "--kind", "malformed")} == {"replayed"}


def test_discard_closes_letters_and_deletes_nothing(run: Run, service: str, kafka: str) -> None:
    before = len(lying(kafka, TOPIC))
    done = run("discard", "--service", service, "--kind", "malformed", "--reason", "a test of theirs", "--yes")
    assert (done.exit_code, "1 discarded" in done.stdout) == (0, True)
    assert {letter["kind"] for letter in listed(run, service)} == {"permanent", "bug"}
    (discarded,) = listed(run, service, "--all", "--kind", "malformed")
    assert (discarded["state"], discarded["settled"]["reason"]) == ("discarded", "a test of theirs")
    assert len(lying(kafka, TOPIC)) == before
