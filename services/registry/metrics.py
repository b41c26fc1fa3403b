"""The registry's metrics, one comment each."""

from prometheus_client import Counter, Gauge

# Releases, by what led to them.
REGISTRY_RELEASES_TOTAL = Counter("registry_releases_total", "Releases by cause", ["use_case", "cause"])
# Packages turned down, by the gate or check that failed.
REGISTRY_REJECTIONS_TOTAL = Counter("registry_rejections_total", "Rejected packages by gate", ["use_case", "gate"])
# Rollback requests of services, by how they ended.
REGISTRY_ROLLBACK_REQUESTS_TOTAL = Counter(
    "registry_rollback_requests_total", "Rollback requests by outcome", ["use_case", "outcome"]
)
# The sequence that each use case should serve; compare with what serving reports.
REGISTRY_RELEASE_SEQUENCE = Gauge("registry_release_sequence", "Sequence of the live release", ["use_case"])
# Workers that refused the live release.
REGISTRY_REFUSED_ACTIVATIONS = Gauge(
    "registry_refused_activations", "Workers that refused the live release", ["use_case"]
)
# Whether each line of the ledger still follows from the one before; looked at every hour.
REGISTRY_LEDGER_BROKEN = Gauge("registry_ledger_broken", "1 when a line of the ledger is not what was written")
