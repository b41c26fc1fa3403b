"""PURE: the event times that a request gives, and their blocks; what is no time is refused by name."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from services.serving.faults import Refused
from shared.contract import Contract, block_of

MAX_AHEAD = timedelta(days=32)
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
MAX_TIME = 40
# How many texts of times a worker remembers the meaning of; the records of one day share most of theirs.
KEPT_TIMES = 4096
_NONE, _SECOND = type(None), timedelta(seconds=1)
Scalar = str | int | float | bool | None


class Times:
    """Reads the event times of one contract."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._moment = lru_cache(KEPT_TIMES)(self._read_moment)
        self._latest = EARLIEST, EARLIEST, ""

    def of(self, given: Sequence[Scalar], now: datetime | None) -> tuple[list[datetime], list[str]]:
        """Return event times and blocks; `now` is for records that give none. Raises Refused naming the record."""
        kinds = {*map(type, given)}
        if kinds == {_NONE} and now is not None:
            return [now] * len(given), [self._block(now)] * len(given)
        latest = _latest(now)
        if kinds == {str} and max(map(len, given)) <= MAX_TIME:  # type: ignore[arg-type]  # all are texts
            known = [*map(self._moment, given)]
            if None not in known:
                times, blocks = zip(*known, strict=True)
                if max(times) <= latest:
                    return [*times], [*blocks]
        return self._times_one_by_one(given, now, latest)

    def _times_one_by_one(
        self, given: Sequence[Scalar], now: datetime | None, latest: datetime
    ) -> tuple[list[datetime], list[str]]:
        times: list[datetime] = []
        blocks: list[str] = []
        for position, text in enumerate(given):
            moment = self._moment(text) if type(text) is str and len(text) <= MAX_TIME else None
            if moment is None or moment[0] > latest:
                time = self._time(text, position, now)
                moment = time, block_of(self._contract, time)
            times.append(moment[0])
            blocks.append(moment[1])
        return times, blocks

    def _block(self, now: datetime) -> str:
        """The block of a time that most likely lies in the same second as the last: no zone changes within one."""
        begin, end, block = self._latest
        if not begin <= now < end:
            begin, block = now.replace(microsecond=0), block_of(self._contract, now)
            self._latest = begin, begin + _SECOND, block
        return block

    def _read_moment(self, text: str) -> tuple[datetime, str] | None:
        time = _utc(text)
        return (time, block_of(self._contract, time)) if time and EARLIEST <= time <= LATEST else None

    def _time(self, given: Scalar, position: int, now: datetime | None) -> datetime:
        name = self._contract.event_time
        if given is None and now is not None:
            return now
        if not isinstance(given, str):
            said = "is missing, and no event time is known yet" if given is None else "is not text"
            raise Refused(422, f"record {position}: {name} {said}", record=position, field=name, allowed=_ISO)
        return read_time(given, f"record {position}: {name}", now, record=position, field=name)


_ISO = "an ISO 8601 time with offset, such as 2013-03-01T06:00:00-05:00"


def read_time(text: str, where: str, now: datetime | None, **more: object) -> datetime:
    """Return a time in UTC; raises Refused when it has no offset, lies outside 1970-2200 or far ahead of the clock."""
    utc = _utc(text)
    if utc is None:
        raise Refused(422, f"{where} {text[:60]!r} is not a time with offset", allowed=_ISO, **more)
    latest = _latest(now)
    if not EARLIEST <= utc <= latest:
        limit = f"{EARLIEST.isoformat()} to {latest.isoformat()}"
        raise Refused(422, f"{where} {text[:60]!r} lies outside {limit}", limit=limit, **more)
    return utc


def _utc(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text) if len(text) <= MAX_TIME else None
        return time.astimezone(UTC) if time and time.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _latest(now: datetime | None) -> datetime:
    # A time far ahead would count as the current block for ever and push the true one out of the request index.
    return min(LATEST, now + MAX_AHEAD) if now else LATEST
