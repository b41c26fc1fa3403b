"""How many requests one client may send: a bucket of tokens each, kept as one number, forgotten when it is full."""

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from shared.spine.auth import ApiKeys
from shared.spine.problems import Problem

BURST_SECONDS = 2.0
# A stranger with many addresses must not fill the memory; who was not seen for longest is forgotten first.
MOST_CLIENTS = 10_000


class Throttle:
    """On average `per_second` requests of one client, two seconds' worth of them at once; 0: no limit."""

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        # Client -> when its bucket will be full again (monotonic seconds).
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def check(self, client: str, now: float) -> None:
        """Count one request at `now` (monotonic seconds); raises Problem 429 that says when the next will be taken.

        >>> throttle = Throttle(1)
        >>> throttle.check("ada", 0.0), throttle.check("ada", 0.0), throttle.check("ada", 1.0)
        (None, None, None)
        """
        if not self.per_second:
            return
        full_at = max(now, self._full_at.pop(client, now)) + 1 / self.per_second
        over = full_at - now - max(BURST_SECONDS, 1 / self.per_second)
        too_many = over > 1e-6  # sums of seconds are not exact
        # What is refused costs nothing, or a client that asks too often would never be answered again.
        self._full_at[client] = full_at - 1 / self.per_second if too_many else full_at
        if len(self._full_at) > MOST_CLIENTS:
            self._full_at.popitem(last=False)
        if too_many:
            raise Problem(
                429,
                f"more than {self.per_second:g} requests a second: wait, and then ask again",
                limit=self.per_second,
                retry_after_seconds=math.ceil(over),
            )


def client_of(scope: Mapping[str, Any], keys: ApiKeys, authorization: str | None) -> str:
    """By whom a request is counted: the name of a valid key, else the address it comes from."""
    if keys.configured:
        try:
            return f"key {keys.caller(authorization).name}"
        except Problem:
            pass
    peer = scope.get("client")
    return f"address {peer[0]}" if peer else "unknown"
