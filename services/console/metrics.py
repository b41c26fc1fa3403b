"""The console's metrics, one comment each."""

from prometheus_client import Counter, Gauge, Histogram

# Reports that went out by themselves.
CONSOLE_REPORTS_TOTAL = Counter("console_reports_total", "Reports published", ["use_case"])
# Reports that should have gone out and have not: each is an incident.
CONSOLE_REPORTS_OVERDUE = Gauge("console_reports_overdue", "Reports that are overdue", ["use_case"])
# Sends by how they ended: sent, failed (tried again), given_up.
CONSOLE_NOTICES_TOTAL = Counter("console_notices_total", "Notifications by outcome of each send", ["outcome"])
# Notifications that wait: for the end of quiet hours, or for a target that did not take them.
CONSOLE_NOTICES_WAITING = Gauge("console_notices_waiting", "Notifications that wait")
# How long a page takes, the reading of the tables included.
CONSOLE_PAGE_SECONDS = Histogram("console_page_seconds", "Duration of making a page", ["page"])
