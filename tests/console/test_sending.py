"""Notifications reach a real mail server and a real webhook: each incident once, at once or after quiet hours."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from services.console.app import make_app
from services.console.handlers import on_event, on_use_case_applied
from services.console.sending import Sender
from services.console.settings import ConsoleSettings
from services.console.tables import NoticeRow
from shared.events import Event, KpiReported, ModelReleased
from shared.spine.clock import Clock
from shared.spine.db import Database
from shared.spine.errors import PermanentError
from tests.console.targets import SECRET, Targets, open_targets
from tests.console.world import applied, released
from tests.containers import database_url
from tests.feedback.contracts import flights_contract
from tests.feedback.streams import BEHAVIOUR, PACKAGE

# Apprise looks for a module that Python drops in 3.13, and says so when it is loaded.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
CONTRACT = flights_contract(timezone="America/New_York", kpis={"cost_per_case": {"ceiling": 0.45}})
NIGHT = datetime(2013, 3, 6, 3, 30, tzinfo=UTC)  # half past ten in the evening in New York
MORNING = datetime(2013, 3, 6, 12, 0, tzinfo=UTC)  # seven o'clock there
HOURS = (time(22), time(7))
COST = "cost_per_case is 0.512, above its ceiling 0.45"


def account(block: str, incidents: Sequence[str] = (), **changes: Any) -> KpiReported:
    """One account of a day, told at night."""
    fields: dict[str, Any] = {
        "use_case": "flights", "block": block, "release_sequence": 1, "package_digest": PACKAGE,
        "behaviour_digest": BEHAVIOUR, "contract_digest": CONTRACT.digest, "status": "judged", "revision": 1,
        "volume": 10, "labelled": 10, "awaiting": 0, "given_up": 0, "coverage": 1.0, "mature": True, "decisions": {},
        "reasons": {}, "currency": "USD", "cost_minor": 1, "cost_without_model_minor": 2, "value_minor": 1,
        "incidents": list(incidents), **changes,
    }  # fmt: skip
    return KpiReported.begin(source="monitor", time=NIGHT, **fields)


class Console:
    """What of the console hears and tells, without Kafka."""

    def __init__(self, folder: Path, targets: Targets) -> None:
        self.db = Database(database_url(folder / "console.db"))
        self.clock = Clock("replay", NIGHT)
        self._targets = targets
        self.restart()

    def restart(self, attempts: int = 50) -> None:
        urls = (self._targets.mail_url, self._targets.hook_url)
        self.sender = Sender(self.db, self.clock, urls, HOURS, 30.0, attempts)

    async def hear(self, *events: Event) -> None:
        for event in events:
            await on_event(event, self.db, self.clock, self.sender.targets)

    async def states(self) -> dict[str, list[str]]:
        async with self.db.read() as session:
            rows = await session.scalars(select(NoticeRow).order_by(NoticeRow.incident))
            found: dict[str, list[str]] = {}
            for row in rows:
                found.setdefault(row.incident, []).append(row.state)
        return {name: sorted(states) for name, states in found.items()}


@pytest.fixture
async def targets() -> AsyncIterator[Targets]:
    async with open_targets() as opened:
        yield opened


@pytest.fixture
async def console(tmp_path: Path, targets: Targets) -> AsyncIterator[Console]:
    made = Console(tmp_path, targets)
    await made.db.create_tables()
    await on_use_case_applied(applied(CONTRACT, time=NIGHT - timedelta(days=9)), made.db, made.sender.targets)
    yield made
    await made.db.close()


def back(time: datetime = NIGHT) -> ModelReleased:
    return released(4, "rollback", time)


async def test_a_rollback_is_told_at_once_and_the_rest_after_quiet_hours_each_once(
    console: Console, targets: Targets
) -> None:
    event = back()
    await console.hear(event, event, account("2013-03-03", [COST]), account("2013-03-04", [COST]))
    await console.hear(account("2013-03-04", [COST], revision=2))
    await console.sender.send_waiting()
    rollback = ("flights: the model was taken back",
                "An earlier model decides again. Nothing has to be done for that.")  # fmt: skip
    assert targets.mails == targets.posts == [rollback]

    console.clock.set(MORNING - timedelta(minutes=1))
    assert await console.sender.send_waiting() == 0
    console.clock.set(MORNING)
    assert await console.sender.send_waiting() == 2
    limit = ("flights: a limit was broken",
             "On 3 March 2013: “cost per case” broke its limit. It is told again only after it was over.")  # fmt: skip
    assert targets.mails == targets.posts == [rollback, limit]
    assert await console.sender.send_waiting() == 0


async def test_a_limit_that_is_broken_anew_is_a_new_incident(console: Console) -> None:
    days = {"2013-03-01": [COST], "2013-03-02": [COST], "2013-03-03": [], "2013-03-04": [COST]}
    for block, incidents in days.items():
        await console.hear(account(block, incidents))
    # A late correction of a day long gone is no news; nor does a day that cannot be judged end anything.
    await console.hear(account("2013-03-03", [COST], revision=2))
    await console.hear(account("2013-03-05", [], mature=False, status="closed"), account("2013-03-06", [COST]))
    assert list(await console.states()) == [f"flights:limit:cost_per_case:2013-03-0{day}" for day in (1, 4)]


async def test_what_was_not_taken_is_tried_again_also_after_a_restart(console: Console, targets: Targets) -> None:
    targets.refusing = 1
    await console.hear(back())
    assert await console.sender.send_waiting() == 1
    assert (len(targets.mails), len(targets.posts)) == (1, 0)
    assert await console.states() == {"flights:rollback:4": ["sent", "waiting"]}
    # Not at once: the target is given time.
    assert await console.sender.send_waiting() == 0
    console.restart()
    assert await console.sender.send_waiting() == 1
    assert (len(targets.mails), len(targets.posts)) == (1, 1)


async def test_a_target_that_hangs_holds_up_no_other(console: Console, targets: Targets) -> None:
    targets.hangs = True
    console.sender = Sender(console.db, console.clock, (targets.hook_url, f"{targets.hook_url}/2"), HOURS, 30.0, 50)
    await console.hear(back())
    sending = asyncio.create_task(console.sender.send_waiting())
    held = asyncio.create_task(targets.both_held.wait())
    # Neither has been answered when the other is asked.
    await asyncio.wait({sending, held}, return_when=asyncio.FIRST_COMPLETED)
    assert held.done()
    targets.let_go.set()
    assert await sending == 0
    assert await console.states() == {"flights:rollback:4": ["waiting", "waiting"]}


async def test_a_rollback_does_not_wait_for_the_pause_after_another_failure(console: Console, targets: Targets) -> None:
    console.clock.set(MORNING)
    targets.refusing = 1
    await console.hear(account("2013-03-03", [COST]))
    await console.sender.send_waiting()
    assert (len(targets.mails), len(targets.posts)) == (1, 0)
    await console.hear(back())
    await console.sender.send_waiting()
    # It is taken, so the target answers again: what waited for it follows at once.
    assert [title for title, _ in targets.posts] == ["flights: the model was taken back", "flights: a limit was broken"]
    assert len(targets.mails) == 2


async def test_a_target_that_never_takes_it_is_given_up_and_counted(console: Console, targets: Targets) -> None:
    targets.refusing = 3
    await console.hear(back())
    for _ in range(3):
        console.restart(attempts=3)
        await console.sender.send_waiting()
    assert await console.states() == {"flights:rollback:4": ["given_up", "sent"]}
    console.restart()
    assert await console.sender.send_waiting() == 0


async def test_an_account_of_no_day_is_a_dead_letter_and_no_page_that_fails(console: Console) -> None:
    with pytest.raises(PermanentError, match="block: '2013-W10' is no calendar day"):
        await console.hear(account("2013-W10"))
    assert await console.states() == {}


async def test_what_is_long_over_is_told_to_nobody(console: Console) -> None:
    await console.hear(back(NIGHT - timedelta(days=30)))
    assert await console.states() == {}


async def test_the_way_can_be_tried_and_tells_no_secret(
    console: Console, targets: Targets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    monkeypatch.setattr(logging.getLogger(), "level", logging.DEBUG)
    targets.refusing = 2
    file = tmp_path / "urls"
    file.write_text(f"# the desk\n{targets.hook_url}\n", encoding="utf-8")
    given: dict[str, Any] = {"home": tmp_path, "clock": "replay", "console_notify_urls_file": file}
    settings = ConsoleSettings(console_notify_urls=targets.mail_url, **given)
    app = make_app(settings)
    await console.hear(back())
    await console.sender.send_waiting()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as http:
        answer = await http.post("/v1/notifications/test")
    logging.getLogger().removeHandler(handler)
    assert [(one["kind"], one["sent"]) for one in answer.json()] == [("mailto", True), ("json", False)]
    assert targets.mails[-1][0] == "Headrace: a test"
    rows = (tmp_path / "console.db").read_bytes() if console.db.is_sqlite else b""
    assert SECRET not in answer.text + log.getvalue() + repr(settings) + rows.decode("latin-1")
    assert "a notification was not taken" in log.getvalue()


async def test_without_targets_nothing_is_sent_and_the_test_says_what_to_set(tmp_path: Path) -> None:
    app = make_app(ConsoleSettings(home=tmp_path, clock="replay"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as http:
        answer = await http.post("/v1/notifications/test")
    assert answer.status_code == 409
    assert "HEADRACE_CONSOLE_NOTIFY_URLS" in answer.json()["detail"]
