"""A service of another team: talks to Headrace over Kafka alone, with confluent-kafka and cloudevents.

Nothing of Headrace is imported here. What an event holds stands in the AsyncAPI document (`headrace asyncapi`).
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

SOURCE = "outside-service"
JSON = JSONFormat()


class NotDeliveredError(Exception):
    """Kafka did not acknowledge an event; nothing is known about it, so say it again with the same id."""


def publish(
    kafka: str,
    topic: str,
    use_case: str,
    body: dict[str, Any],
    event_id: str | None = None,
    patience_seconds: float = 15.0,
    at: datetime | None = None,
) -> str:
    """Publish one event and return its id once Kafka has acknowledged it; the same id twice takes effect once.

    `at` is when it happened: now, where nothing is said.
    """
    attributes: dict[str, Any] = {"type": topic, "source": SOURCE, "datacontenttype": "application/json"}
    attributes |= {"time": at} if at else {}
    event = CloudEvent(attributes | ({"id": event_id} if event_id else {}), {"use_case": use_case, **body})
    message = to_binary(event, JSON)
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failures.append(error)

    patience = {"message.timeout.ms": int(patience_seconds * 1000)}
    producer = Producer({"bootstrap.servers": kafka, "enable.idempotence": True, **patience})
    # The use case as the key keeps the requests for one use case in order.
    producer.produce(topic, message.value, key=use_case, headers=[*message.headers.items()], on_delivery=delivered)
    if producer.flush(patience_seconds + 5) or failures:
        raise NotDeliveredError(f"{topic}: {failures[0] if failures else 'no acknowledgement'}")
    return str(event.get_id())


def record_outcomes(kafka: str, use_case: str, labels: dict[str, str], event_id: str | None = None) -> str:
    """Say what really happened, by prediction id (`<request_id>/<place>`); known from now on."""
    # The event's own time is when these outcomes became known.
    known_at = CloudEvent({"type": "clock", "source": SOURCE}, None).get_time()
    outcomes = [
        {"prediction_id": prediction, "label": label, "known_at": known_at.isoformat() if known_at else None}
        for prediction, label in labels.items()
    ]
    return publish(kafka, "outcome_recorded", use_case, {"outcomes": outcomes}, event_id)


def record_measurement(
    kafka: str,
    use_case: str,
    name: str,
    value: float,
    unit: str,
    event_id: str | None = None,
    at: datetime | None = None,
) -> str:
    """Say one value of a KPI that the contract has measured; it counts on the day on which it was measured."""
    body = {"name": name, "value": value, "unit": unit}
    return publish(kafka, "measurement_recorded", use_case, body, event_id, at=at)


def request_training(kafka: str, use_case: str, reason: str) -> str:
    """Ask for a training; the trainer's governor decides, and answers with `training_finished`."""
    body = {"reason": reason, "requested_by": SOURCE, "kind_of_cause": "service"}
    return publish(kafka, "training_requested", use_case, body)


def request_rollback(kafka: str, use_case: str, reason: str) -> str:
    """Ask to take the release back; the registry checks it at its next step."""
    return publish(kafka, "rollback_requested", use_case, {"reason": reason, "requested_by": SOURCE})


def reports(kafka: str, use_case: str, group: str, patience_seconds: float) -> Iterator[dict[str, Any]]:
    """Yield the `kpi_reported` of a use case from the oldest on; ends when none comes for so many seconds.

    The offset moves on after the caller is done with a report: one may come twice, none is lost.
    """
    consumer = Consumer(
        {"bootstrap.servers": kafka, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    )
    consumer.subscribe(["kpi_reported"])
    try:
        while (record := consumer.poll(patience_seconds)) is not None:
            if record.error() is not None:
                raise KafkaException(record.error())
            headers = {name: value for name, value in dict(record.headers() or ()).items() if isinstance(value, bytes)}
            event = from_binary(KafkaMessage(headers, record.key(), record.value() or b""), JSON, CloudEvent)
            data = event.get_data()
            if isinstance(data, dict) and data.get("use_case") == use_case:
                yield {"id": event.get_id(), **data}
            consumer.commit(message=record, asynchronous=False)
    finally:
        consumer.close()


def _pair(text: str) -> tuple[str, str]:
    prediction, _, label = text.partition("=")
    return prediction, label


def main(arguments: Sequence[str]) -> None:
    """`outside_service.py KAFKA USE_CASE outcomes … | measure … | train REASON | rollback REASON | reports`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kafka", help="host:port")
    parser.add_argument("use_case")
    acts = parser.add_subparsers(dest="act", required=True)
    acts.add_parser("outcomes").add_argument("outcome", nargs="+", help="PREDICTION_ID=LABEL")
    measuring = acts.add_parser("measure")
    measuring.add_argument("name")
    measuring.add_argument("value", type=float)
    measuring.add_argument("unit")
    measuring.add_argument("--at", type=datetime.fromisoformat, help="when, with an offset; else now")
    acts.add_parser("train").add_argument("reason")
    acts.add_parser("rollback").add_argument("reason")
    listening = acts.add_parser("reports")
    listening.add_argument("--group", default=SOURCE)
    listening.add_argument("--patience", type=float, default=10.0, help="end when none comes for so many seconds")
    said = parser.parse_args(arguments)
    match said.act:
        case "outcomes":
            done = record_outcomes(said.kafka, said.use_case, dict(map(_pair, said.outcome)))
        case "measure":
            done = record_measurement(said.kafka, said.use_case, said.name, said.value, said.unit, at=said.at)
        case "train":
            done = request_training(said.kafka, said.use_case, said.reason)
        case "rollback":
            done = request_rollback(said.kafka, said.use_case, said.reason)
        case _:
            for report in reports(said.kafka, said.use_case, said.group, said.patience):
                sys.stdout.write(json.dumps(report) + "\n")
                sys.stdout.flush()
            return
    sys.stdout.write(done + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
