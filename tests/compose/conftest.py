"""One system in containers for all tests of this folder: each file goes on where the one before it ended."""

import os
from collections.abc import Iterator
from datetime import timedelta

import pytest

from headrace.scenario import Scenario, load_scenario
from tests.compose.stack import Stack

DAYS, SEED = 2, 7
needs_docker = [
    pytest.mark.e2e,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(os.environ.get("HEADRACE_CONTAINERS") != "1", reason="needs Docker: set HEADRACE_CONTAINERS=1"),
]


@pytest.fixture(scope="session")
def whole() -> Scenario:
    return load_scenario("flights", "3")


@pytest.fixture(scope="session")
def scenario(whole: Scenario) -> Scenario:
    """The days that are played while containers die."""
    return whole.until(whole.start + timedelta(days=DAYS))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack"), SEED) as stack:
        yield stack
