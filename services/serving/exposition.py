"""The text of `/metrics`: all workers and the shipper of this replica added up."""

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.values import ValueClass


def render_metrics() -> bytes:
    """Return the metrics of this replica; of this process alone when it was started without workers."""
    if ValueClass.__name__ == "MutexValue":
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped
    return generate_latest(registry)
