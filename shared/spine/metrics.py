"""The metrics of the spine, one comment each."""

from prometheus_client import Counter, Gauge

# Errors while handling a record, by kind: transient, permanent, bug.
SPINE_ERRORS_TOTAL = Counter("spine_errors_total", "Errors while handling a record", ["service", "topic", "kind"])
# Records that went to <topic>.dead, by who refused them and why: malformed, permanent, bug.
SPINE_DEAD_LETTERS_TOTAL = Counter(
    "spine_dead_letters_total", "Records sent to a dead-letter topic", ["service", "topic", "kind"]
)
# 1 while a consumer stands still on purpose, after too many bugs in a row.
SPINE_CONSUMER_STOPPED = Gauge("spine_consumer_stopped", "1 when bugs stopped the consumer", ["service", "topic"])
# Clock steps that have failed one after the other; 0 when the last one went well.
SPINE_FAILED_CLOCK_STEPS = Gauge("spine_failed_clock_steps", "Clock steps that failed in a row", ["service"])
# Fields of records that the catalogue does not know.
SPINE_UNKNOWN_FIELDS_TOTAL = Counter("spine_unknown_fields_total", "Unknown fields dropped from events", ["topic"])
# Records not yet handled by this service.
SPINE_CONSUMER_LAG_RECORDS = Gauge("spine_consumer_lag_records", "Records not yet handled", ["service", "topic"])
# Events written but not yet on Kafka, and how long the oldest has waited.
SPINE_OUTBOX_EVENTS = Gauge("spine_outbox_events", "Events waiting in the outbox", ["service"])
SPINE_OUTBOX_AGE_SECONDS = Gauge("spine_outbox_age_seconds", "Age of the oldest event in the outbox", ["service"])
