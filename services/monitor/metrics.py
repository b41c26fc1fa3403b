"""The monitor's metrics, one comment each."""

from prometheus_client import Counter, Gauge, Histogram

# Rows that entered the feedback tables.
MONITOR_ROWS_TOTAL = Counter("monitor_rows_total", "Rows appended to the feedback tables", ["table"])
# Requests as serving reports them: answered, refused, failed.
MONITOR_REQUESTS_TOTAL = Counter("monitor_requests_total", "Requests seen, by status", ["use_case", "status"])
# How long one write to a table takes, the commit included.
MONITOR_FLUSH_SECONDS = Histogram("monitor_flush_seconds", "Duration of a write to a feedback table", ["table"])
# Records of a data topic that are not in the table yet.
MONITOR_CONSUMER_LAG_RECORDS = Gauge("monitor_consumer_lag_records", "Records not yet in the feedback table", ["topic"])
# Newest event time in each table: silence of a source shows here.
MONITOR_FRESHNESS_TIMESTAMP_SECONDS = Gauge(
    "monitor_freshness_timestamp_seconds", "Newest event time written, as a Unix timestamp", ["table"]
)
# Upkeep: partitions whose small files were joined, and files that no version needs any more.
MONITOR_PARTITIONS_JOINED_TOTAL = Counter(
    "monitor_partitions_joined_total", "Partitions of a feedback table whose small files were joined", ["table"]
)
MONITOR_FILES_DELETED_TOTAL = Counter(
    "monitor_files_deleted_total",
    "Files of a feedback table that were deleted because no version needs them",
    ["table"],
)
# Share of labelled rows in the newest report of the newest block.
MONITOR_BLOCK_COVERAGE_RATIO = Gauge(
    "monitor_block_coverage_ratio", "Labelled share of the last reported block", ["use_case"]
)
# Reports published, by status of the block.
MONITOR_REPORTS_TOTAL = Counter("monitor_reports_total", "kpi_reported published, by status", ["use_case", "status"])
# How long a clock step takes to look for what changed and to report it.
MONITOR_STEP_SECONDS = Histogram("monitor_step_seconds", "Duration of closing blocks in a clock step")
# How sure it is that the release is worse than its rollback target; it is asked back at 1 / rollback.alpha.
MONITOR_REGRET_E_VALUE = Gauge(
    "monitor_regret_e_value", "Largest e-value of the release against its rollback target", ["use_case"]
)
# Evidence that the served package errs more than its reference: the alarm comes at 1/α of the epoch.
MONITOR_DRIFT_E_VALUE = Gauge("monitor_drift_e_value", "Drift evidence of the current epoch", ["use_case"])
# Measurements by what became of them: counted, or refused because of a field, each of these with its dead letter.
MONITOR_MEASUREMENTS_TOTAL = Counter(
    "monitor_measurements_total", "Measurements heard, by what became of them", ["use_case", "outcome"]
)
# How sure it is that a measured KPI breaks its limit; a rollback is asked for at 1 / rollback.alpha.
MONITOR_MEASURED_E_VALUE = Gauge(
    "monitor_measured_e_value", "Largest e-value of a measured KPI against its limit", ["use_case", "kpi"]
)
# Which member closes blocks, judges and tidies: one of them at a time.
MONITOR_LEASE_HELD = Gauge("monitor_lease_held", "1 while this member closes blocks for all members")
# Newest reported blocks whose money is not what the table gives: each of them is a bug, or somebody changed a file.
MONITOR_UNRECONCILED_BLOCKS = Gauge(
    "monitor_unreconciled_blocks", "Reported blocks that do not add up with the table", ["use_case"]
)
