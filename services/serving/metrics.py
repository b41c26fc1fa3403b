"""The metrics of serving, one comment each; all workers and the shipper of a host add up in `/metrics`."""

from bisect import bisect_left
from threading import Lock

from prometheus_client import Counter, Gauge, Histogram

# Decisions answered, by what was decided and why (cost, capacity, flagged).
SERVING_PREDICTIONS_TOTAL = Counter(
    "serving_predictions_total", "Decisions answered", ["use_case", "decision", "reason"]
)
# Requests by how they ended: answered, repeated, refused (4xx), failed (5xx).
SERVING_REQUESTS_TOTAL = Counter("serving_requests_total", "Requests by how they ended", ["use_case", "kind", "status"])
_LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Counted(Histogram):
    """A histogram that takes what was counted elsewhere."""

    def take(self, counts: list[int], total: float) -> None:
        """Add so many observations to each bucket, the last is what lies above all bounds, and their sum."""
        self._sum.inc(total)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


# Time from the whole body to the answer.
SERVING_LATENCY_SECONDS = Counted(
    "serving_latency_seconds", "Time from the whole body to the answer", ["use_case"], buckets=_LATENCIES
)
# How many rows waited together for one call of the model; what is scored at once, without waiting, is not counted here.
SERVING_ROWS_PER_CALL = Histogram(
    "serving_rows_per_call", "Rows scored by one call of the model", ["use_case"], buckets=(1, 2, 5, 10, 50, 200, 1000)
)
# Outcomes accepted.
SERVING_OUTCOMES_TOTAL = Counter("serving_outcomes_total", "Outcomes accepted", ["use_case"])
# Sequence of the release that a worker serves.
SERVING_ACTIVE_RELEASE = Gauge(
    "serving_active_release_sequence",
    "Sequence of the release that is served",
    ["use_case"],
    multiprocess_mode="liveall",
)
# Activations by how they ended: active, refused.
SERVING_ACTIVATIONS_TOTAL = Counter(
    "serving_activations_total", "Activations by how they ended", ["use_case", "status"]
)
# Golden records of what is served scored again, by form of the model: equal, different.
SERVING_PARITY_CHECKS_TOTAL = Counter(
    "serving_parity_checks_total", "Golden records scored again", ["use_case", "form", "status"]
)
# Records on the followed topics that could not be read.
SERVING_MALFORMED_EVENTS_TOTAL = Counter("serving_malformed_events_total", "Unreadable records followed", ["topic"])
# What the spool holds and Kafka has not acknowledged, and how long the oldest of it has waited.
SERVING_SPOOL_BYTES = Gauge("serving_spool_bytes", "Bytes not yet acknowledged", multiprocess_mode="livemostrecent")
SERVING_SPOOL_AGE_SECONDS = Gauge(
    "serving_spool_age_seconds", "Age of the oldest event not yet acknowledged", multiprocess_mode="livemostrecent"
)
# Events that Kafka acknowledged.
SERVING_SHIPPED_EVENTS_TOTAL = Counter("serving_shipped_events_total", "Events acknowledged by Kafka", ["topic"])
# Events that can never be sent, by where they went: topic or file.
SERVING_UNSENDABLE_EVENTS_TOTAL = Counter("serving_unsendable_events_total", "Events set aside", ["topic", "kept_in"])
# How often Kafka did not take a batch, which is then sent again; and how long a backlog was held back.
SERVING_SHIPPING_FAILURES_TOTAL = Counter("serving_shipping_failures_total", "Batches that Kafka did not take")
SERVING_REPLAY_PAUSED_SECONDS_TOTAL = Counter(
    "serving_replay_paused_seconds_total", "Seconds that a backlog waited so as not to flood Kafka"
)
# What a full spool dropped, and how often it refused.
SERVING_SPOOL_DROPPED_PREDICTIONS_TOTAL = Counter(
    "serving_spool_dropped_predictions_total", "Predictions dropped by a full spool"
)
SERVING_SPOOL_DROPPED_EVENTS_TOTAL = Counter("serving_spool_dropped_events_total", "Events dropped by a full spool")
SERVING_SPOOL_REFUSED_TOTAL = Counter("serving_spool_refused_total", "Entries refused by a full spool")
# What this host gives of a capacity in the newest block, and what of that nobody has taken yet.
SERVING_CAPACITY_SHARE = Gauge(
    "serving_capacity_share",
    "Decisions of a block that this host may take",
    ["use_case", "decision"],
    multiprocess_mode="livemostrecent",
)
SERVING_CAPACITY_UNUSED = Gauge(
    "serving_capacity_unused",
    "Decisions that are left of this host's share in the newest block",
    ["use_case", "decision"],
    multiprocess_mode="livemostrecent",
)
# Bytes of the spool that were found damaged and stepped over.
SERVING_SPOOL_DAMAGED_BYTES_TOTAL = Counter("serving_spool_damaged_bytes_total", "Damaged bytes in the spool")
# Bytes behind the last whole entry that were cut: of a write that a killed worker did not finish.
SERVING_SPOOL_TORN_BYTES_TOTAL = Counter("serving_spool_torn_bytes_total", "Torn bytes cut from the spool")


class Tally:
    """Counts that are not yet in the metrics above: a number in memory costs a fraction of one in a file.

    `flush` moves them: before they are read here, and once a second for those who read them elsewhere.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[tuple[Counter, tuple[str, ...]], int] = {}
        self._latencies: dict[str, tuple[list[int], list[float]]] = {}

    def count(self, metric: Counter, *labels: str, by: int = 1) -> None:
        """Count something."""
        key = metric, labels
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + by

    def took(self, use_case: str, *times: float) -> None:
        """Count the times of answers, in seconds."""
        with self._lock:
            found = self._latencies.get(use_case)
            if found is None:
                found = self._latencies[use_case] = [0] * (len(_LATENCIES) + 1), [0.0]
            for seconds in times:
                found[0][bisect_left(_LATENCIES, seconds)] += 1
            found[1][0] += sum(times)

    def flush(self) -> None:
        """Move all counts into the metrics."""
        with self._lock:
            counts, self._counts = self._counts, {}
            latencies, self._latencies = self._latencies, {}
        for (metric, labels), count in counts.items():
            metric.labels(*labels).inc(count)
        for use_case, (buckets, [total]) in latencies.items():
            SERVING_LATENCY_SECONDS.labels(use_case).take(buckets, total)


TALLY = Tally()
