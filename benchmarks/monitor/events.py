"""Prediction and outcome events as serving sends them: one decision and one label each, flights' twenty features."""

import datetime as dt
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from shared.contract.capacity import block_of
from shared.contract.read import read_contract
from shared.contract.schema import Contract
from shared.events import OutcomeRecorded, PredictionServed, Record, UseCaseApplied, from_record
from shared.events.records import headers_of

CONTRACT: Contract = read_contract(
    (Path(__file__).parents[2] / "examples/flights_late/contract.yaml").read_text(encoding="utf-8")
)
SOURCE = "headrace/benchmark"
_CARRIERS, _ORIGINS = ("UA", "B6", "EV", "DL", "AA"), ("EWR", "JFK", "LGA")
_RELEASE = {
    "release_sequence": 1,
    "package_digest": "a" * 64,
    "behaviour_digest": "b" * 64,
    "contract_digest": CONTRACT.digest,
}


def applied(now: dt.datetime) -> UseCaseApplied:
    """What puts the contract in force."""
    return UseCaseApplied.begin(
        source=SOURCE, time=now, use_case=CONTRACT.use_case, contract_digest=CONTRACT.digest,
        contract=CONTRACT.to_json(), revision=1, changed=[], signed_by="benchmark",
    )  # fmt: skip


def stream(start: dt.datetime, step: dt.timedelta, seed: int = 7, first: int = 0) -> Iterator[Record]:
    """For ever: a prediction, then the outcome of an earlier one (of itself at the beginning), `step` apart."""
    chance, time, number = random.Random(seed), start, first  # a repeatable load, no secret
    while True:
        yield prediction(f"r-{number:012d}", time, chance)
        yield outcome(f"r-{max(first, number - 1000):012d}/0", time, chance)
        time, number = time + step, number + 1


def prediction(request_id: str, time: dt.datetime, chance: random.Random) -> Record:
    """One answered request of one row."""
    numbers = [name for name, feature in CONTRACT.features.items() if feature.type == "number"]
    values: dict[str, list[float | None]] = {name: [round(chance.uniform(0, 900), 1)] for name in numbers}
    values["wind_gust"] = [None]
    score = chance.random()
    body = {
        "use_case": CONTRACT.use_case, "request_id": request_id, "first_position": 0, "status": "answered",
        "latency_ms": 1.25, "error": None, **_RELEASE, "event_times": [time], "blocks": [block_of(CONTRACT, time)],
        "scores": [[score]], "decisions": ["act" if score > 0.2 else "none"], "reasons": ["cost"], "places": [None],
        "propensities": [1.0], "arms": ["model"], "flagged": [[]], "numbers": values,
        "categories": {"carrier": [chance.choice(_CARRIERS)], "origin": [chance.choice(_ORIGINS)], "dest": ["BOS"]},
    }  # fmt: skip
    return _record(PredictionServed, f"e-{request_id}", time, f"{CONTRACT.use_case}/{request_id}", body)


def outcome(prediction_id: str, time: dt.datetime, chance: random.Random) -> Record:
    """One label."""
    told = {"prediction_id": prediction_id, "label": chance.choice(("on_time", "late")), "known_at": time}
    body = {"use_case": CONTRACT.use_case, "outcomes": [told]}
    name = f"o-{prediction_id}-{time.timestamp()}"
    return _record(OutcomeRecorded, name, time, f"{CONTRACT.use_case}/{prediction_id}", body)


def check(record: Record) -> None:
    """Raise when the catalogue would refuse this record: a measurement of dead letters would be worth nothing."""
    from_record(PredictionServed if record.topic == PredictionServed.topic else OutcomeRecorded, record.value,
                record.headers)  # fmt: skip


def _record(
    kind: type[PredictionServed] | type[OutcomeRecorded], name: str, time: dt.datetime, key: str, body: dict[str, Any]
) -> Record:
    said = headers_of(kind, {"id": name, "source": SOURCE, "time": time, "correlation_id": name})
    headers = tuple((header, text.encode()) for header, text in said.items())
    return Record(kind.topic, key.encode(), msgspec.json.encode(body), headers)
