"""The CloudEvents headers of the events that serving writes into its journal."""

from datetime import datetime


def cloud_headers(topic: str, name: str, source: str, time: datetime) -> list[tuple[str, str]]:
    """Return the CloudEvents headers of an event that begins a story (shared.events writes the same)."""
    return [
        ("ce_specversion", "1.0"),
        ("ce_type", topic),
        ("content-type", "application/json"),
        ("ce_id", name),
        ("ce_source", source),
        ("ce_time", time.isoformat().replace("+00:00", "Z")),
        ("ce_correlationid", name),
    ]
