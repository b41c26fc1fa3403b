"""PURE: what an answered request of one record writes down and says, from templates that are cut once per release.

A template is what the usual way (`answers`, `prepare`) writes of a record of marks; what stands between the marks is
the same for every record. So both ways give the same bytes, and a repeat is answered from the journal all the same.
"""

import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from services.serving import answers, entries, frames
from services.serving.answers import SERVED_JSON, Decided
from services.serving.decode import Ask, Rows
from services.serving.headers import cloud_headers
from services.serving.ids import served_id
from services.serving.prepare import Stamp, head_of
from services.serving.version import Version

# Marks stand for a whole value, quotes and all, or for a part of a text. Their characters are private to us.
_MARK = re.compile('"\ue000([a-z0-9]+)\ue001"|\ue002([a-z0-9]+)\ue003')
_json = SERVED_JSON.encode


def _value(name: str) -> Any:
    return f"\ue000{name}\ue001"


def _part(name: str) -> Any:
    return f"\ue002{name}\ue003"


class _Moment:
    """A mark that gives the text of a time."""

    def isoformat(self) -> str:
        return str(_part("time"))


class Decision(NamedTuple):
    """What is decided for one record."""

    decision: str
    reason: str
    place: int | None


class Template:
    """Bytes with gaps: `fill` puts the values where their marks stood."""

    def __init__(self, content: bytes) -> None:
        # Between two pieces stand the name of a value and that of a part, one of them None.
        found = _MARK.split(content.decode())
        names = [value or part for value, part in zip(found[1::3], found[2::3], strict=True)]
        self._pieces = [each for piece in found[::3] for each in (piece.encode(), b"")][:-1]
        self._values: Callable[[Mapping[str, bytes]], tuple[bytes, ...]] = itemgetter(*names)

    def fill(self, values: Mapping[str, bytes]) -> bytes:
        """Return the bytes; a value is JSON, the part of a text is that part."""
        pieces = self._pieces.copy()
        pieces[1::2] = self._values(values)
        return b"".join(pieces)


class OneRow:
    """Writes the entry and the answer of records that fit the contract, and so have no flags."""

    def __init__(self, version: Version) -> None:
        policy, self._use_case = version.policy, version.use_case
        self._regression, width = policy.task == "regression", len(policy.classes) if policy.task == "multiclass" else 1
        self._policy, self._words = policy, _Words()
        block, scores = _part("block"), [[_value(f"score{place}") for place in range(width)]]
        rows: Any = Rows([_part("time")], [block], _value("numbers"), _value("categories"), [[]])
        decision = [_value("decision")]
        decided = Decided(decision, [_value("reason")], [_value("place")], {block: dict.fromkeys(decision, 1)})
        [(event, body)] = answers.served_events(version, _part("request"), rows, scores, decided, _value("latency"))
        moment: Any = _Moment()
        message = answers.message_of(event, body, "", moment)
        headers = cloud_headers(message.topic, _part("id"), _part("source"), moment)
        message = msgspec.structs.replace(message, headers=headers, size=_value("size"))
        estimates = [_value("estimate")] if self._regression else []
        heads = [
            head_of(version, rows, decided, estimates, [message], _part("request"), digest, _value("at"))
            for digest in ("", _part("digest"))
        ]
        self._event = Template(body)
        self._unnamed, self._named = (Template(entries.encode(head)) for head in heads)
        self._answer = Template(answers.render(heads[0], [event]))

    def write(self, ask: Ask, scores: list[float], decision: Decision, stamp: Stamp) -> tuple[bytes, bytes]:
        """Return the frame for the journal, and the answer."""
        rows, place = ask.rows, decision.place
        values = {
            "request": stamp.request_id.encode(),
            "latency": _json(stamp.latency_ms),
            "time": _json(rows.times[0])[1:-1],
            "block": rows.blocks[0].encode(),
            "decision": self._words[decision.decision],
            "reason": self._words[decision.reason],
            "place": b"null" if place is None else b"%d" % place,
            "numbers": _json(rows.numbers),
            "categories": _json(rows.categories),
            "at": _json(stamp.at),
            "id": served_id(self._use_case, stamp.request_id, "answered", 0).encode(),
            "source": stamp.source.encode(),
        }
        for number, score in enumerate(scores):
            values[f"score{number}"] = _json(score)
        if self._regression:
            values["estimate"] = _json(answers.estimates(self._policy, [scores], [decision.decision])[0])
        body = self._event.fill(values)
        values["size"] = b"%d" % len(body)
        if ask.request_id:
            values["digest"] = ask.digest.encode()
        head = (self._named if ask.request_id else self._unnamed).fill(values)
        return frames.frame(head + body), self._answer.fill(values)


class _Words(dict[str, bytes]):
    """The few words that are said again and again, as JSON."""

    def __missing__(self, word: str) -> bytes:
        return self.setdefault(word, _json(word))
