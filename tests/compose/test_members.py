"""A second member of the monitor in a container: both share the work, and one goes on when the other is killed."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx

from headrace.collect import read_topic
from headrace.play import Player
from headrace.replay import SOURCE, Replay
from headrace.scenario import Scenario
from headrace.serving_client import ServingClient
from headrace.settings import authorization
from shared.events import KpiReported, TimeAdvanced, derived_id, from_record
from tests.compose.conftest import SEED, needs_docker
from tests.compose.stack import Stack
from tests.delivery.seen import until

pytestmark = needs_docker
MEMBERS, GROUP = ("monitor", "monitor-1"), "monitor.feedback"
STATUS = "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:7100/v1/status').read().decode())"


def holder(stack: Stack) -> str:
    """The member that closes blocks."""
    said = {member: json.loads(stack.compose("exec", "-T", member, "python", "-c", STATUS)) for member in MEMBERS}
    (found,) = [member for member, status in said.items() if status["detail"]["closes_blocks"]]
    return found


def sharing(stack: Stack) -> set[str]:
    """The members that have partitions of the data topics."""
    tool = ("/opt/kafka/bin/kafka-consumer-groups.sh", "--bootstrap-server", "127.0.0.1:19092")
    said = stack.compose("exec", "-T", "kafka", *tool, "--describe", "--group", GROUP)
    return {line.split()[-1] for line in said.splitlines() if line.startswith(GROUP)}


async def released(registry: str, use_case: str) -> bool:
    """Whether the tests before this one have brought a model; alone, this one brings its own."""
    async with httpx.AsyncClient(headers=authorization(), timeout=30.0) as http:
        answer = await http.get(f"{registry}/v1/use_cases/{use_case}/releases")
    return answer.is_success and bool(answer.json())


async def reports_of(options: dict[str, Any], block: str) -> list[KpiReported]:
    """What was said of a block, each event once."""
    records = await read_topic(options, KpiReported.topic)
    events = [from_record(KpiReported, record.value, record.headers) for record in records]
    return list({event.id: event for event in events if event.block == block}.values())


async def test_the_other_member_goes_on_when_the_one_that_closes_blocks_is_killed(
    stack: Stack, scenario: Scenario, whole: Scenario
) -> None:
    stack.compose("--profile", "members", "up", "--detach", "--no-deps", "--wait", "monitor-1")
    target, use_case = stack.target, scenario.contract.use_case
    options = {"bootstrap_servers": target.kafka}
    day = scenario.end.date() + timedelta(days=1)
    begins, ends = (whole.midnight(day + timedelta(days=number)) for number in (0, 1))
    async with Replay(options, target.urls) as replay, ServingClient(target.urls["serving"], use_case) as client:
        player = Player(whole, replay, client, target.urls["registry"])
        if not await released(target.urls["registry"], use_case):
            await player.begin()
            await player.train(SEED)
        await replay.advance(begins)
        assert await asyncio.to_thread(sharing, stack) == {"headrace-monitor-0", "headrace-monitor-1"}
        hours = list(whole.hours(day))
        for number, hour in enumerate(hours):
            if number == len(hours) // 2:
                killed = await asyncio.to_thread(holder, stack)
                await asyncio.to_thread(stack.compose, "kill", killed)
            if known := await player.decide(hour):
                await client.outcomes(hour.name, known)
        others = {name: url for name, url in target.urls.items() if name != "monitor"}
        async with Replay(options, others) as rest:
            # What was answered is in the topics: the front asks the first member only, and that may be the dead one.
            await rest.quiet()
            await rest.say(
                TimeAdvanced.begin(source=SOURCE, time=ends, id=derived_id(SOURCE, ends.isoformat()), now=ends)
            )

        async def told() -> bool:
            return bool(await reports_of(options, day.isoformat()))

        await until(told, seconds=150)
        running = await asyncio.to_thread(stack.compose, "ps", "--services", "--status", "running", *MEMBERS)
        assert running.split() == [member for member in MEMBERS if member != killed]
        await asyncio.to_thread(stack.compose, "start", killed)
        await replay.quiet()
    reports = await reports_of(options, day.isoformat())
    assert [report.revision for report in reports] == [1]
    assert client.failed == []
    assert reports[0].volume == client.answered > 100
