"""The trainer's metrics, one comment each."""

from prometheus_client import Counter, Gauge, Histogram

# Requests by how they ended: trained, declined, failed, cancelled.
TRAINER_RUNS_TOTAL = Counter("trainer_runs_total", "Training requests by outcome", ["use_case", "outcome"])
# Wall clock of one fit, from start of its process to the stored package.
TRAINER_RUN_SECONDS = Histogram(
    "trainer_run_seconds", "Duration of a training run", ["use_case"], buckets=(1, 3, 10, 30, 100, 300, 1000, 3600)
)
# Runs that are queued or being worked on.
TRAINER_RUNS_OPEN = Gauge("trainer_runs_open", "Runs queued or running")
# Blocks on which a package that is not served was scored and priced, by its role.
TRAINER_EVALUATIONS_TOTAL = Counter(
    "trainer_evaluations_total", "Packages evaluated on judged blocks", ["use_case", "role"]
)
