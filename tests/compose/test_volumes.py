"""What `deploy/volumes.sh` saves is all there is: put back into empty volumes, the same system goes on from there."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from headrace.scenario import Scenario
from headrace.settings import authorization
from tests.compose.conftest import needs_docker
from tests.compose.stack import Stack

pytestmark = needs_docker


def known(stack: Stack, use_case: str) -> dict[str, Any]:
    """What the parts of the system know: ledger, releases, decisions, reports."""
    urls = stack.target.urls
    asked = {
        "ledger": f"{urls['registry']}/v1/use_cases/{use_case}/ledger",
        "chain": f"{urls['registry']}/v1/ledger/check",
        "value": f"{urls['monitor']}/v1/use_cases/{use_case}/value?from=2013-03-01&to=2013-03-31",
        "report": f"{urls['console']}/use_cases/{use_case}",
        "served": f"{urls['serving']}/v1/{use_case}/parity",
    }
    with httpx.Client(headers=authorization(), timeout=60.0) as http:
        return {what: http.get(url).raise_for_status().text for what, url in asked.items()}


async def test_what_was_saved_and_put_back_is_the_same_system(stack: Stack, scenario: Scenario, tmp_path: Path) -> None:
    use_case = scenario.contract.use_case
    before = await asyncio.to_thread(known, stack, use_case)
    with pytest.raises(AssertionError, match="are running: docker compose stop"):
        stack.volumes("save", tmp_path)
    stack.compose("--profile", "members", "stop")
    stack.volumes("save", tmp_path)
    stack.compose("--profile", "members", "down", "--volumes")
    stack.compose("up", "--no-start")
    stack.volumes("restore", tmp_path)
    with pytest.raises(AssertionError, match="is not empty"):
        stack.volumes("restore", tmp_path)
    stack.compose("up", "--wait")
    after = await asyncio.to_thread(known, stack, use_case)
    for what, said in before.items():
        assert after[what] == said, what
