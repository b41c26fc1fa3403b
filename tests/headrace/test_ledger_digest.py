"""The fingerprint follows what was released and the money of the newest reports, and nothing else."""

from datetime import UTC, datetime
from typing import Any

from headrace.ledger_digest import latest_by_block, ledger_digest
from shared.events import KpiReported

NOW = datetime(2013, 3, 2, 5, tzinfo=UTC)
DIGEST = "a" * 64
ENTRY = {"at": NOW.isoformat(), "kind": "model_released", "behaviour_digest": DIGEST, "sequence": 1, "event_id": "x"}


def report(block: str = "2013-03-01", revision: int = 1, value: int = 100, **more: Any) -> KpiReported:
    fields: dict[str, Any] = {
        "use_case": "flights_late",
        "block": block,
        "release_sequence": 1,
        "package_digest": DIGEST,
        "behaviour_digest": DIGEST,
        "contract_digest": DIGEST,
        "status": "closed",
        "revision": revision,
        "volume": 10,
        "labelled": 10,
        "awaiting": 0,
        "given_up": 0,
        "coverage": 1.0,
        "mature": True,
        "decisions": {},
        "reasons": {},
        "currency": "USD",
        "cost_minor": 50,
        "cost_without_model_minor": 50 + value,
        "value_minor": value,
    }
    return KpiReported.begin(source="monitor", time=NOW, **(fields | more))


def test_a_correction_replaces_what_it_corrects_whatever_the_order_of_arrival() -> None:
    first, corrected = report(), report(revision=2, value=90)
    for reports in ([first, corrected], [corrected, first], [first, corrected, first]):
        assert latest_by_block(reports) == {("2013-03-01", 1): corrected}
        assert ledger_digest([ENTRY], reports) == ledger_digest([ENTRY], [corrected])


def test_ids_of_events_do_not_count_but_money_time_and_sequence_do() -> None:
    known = ledger_digest([ENTRY], [report()])
    assert ledger_digest([ENTRY | {"event_id": "another"}], [report()]) == known
    assert ledger_digest([ENTRY], [report(value=101)]) != known
    assert ledger_digest([ENTRY | {"sequence": 2}], [report()]) != known
    assert ledger_digest([ENTRY | {"at": "2013-03-03T05:00:00+00:00"}], [report()]) != known
