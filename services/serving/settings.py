"""Every variable that serving reads, and the environment that its processes are started with."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from services.serving.bounds import JournalOptions
from services.serving.shares import Hosts
from shared.spine.settings import SpineSettings

MEBIBYTE = 1024 * 1024


class ServingSettings(SpineSettings):
    """Prefix HEADRACE_, as everywhere."""

    serving_host: str = "127.0.0.1"
    serving_port: int = Field(default=7100, ge=0, le=65535)
    serving_workers: int = Field(default=1, ge=1, le=64)
    serving_body_bytes: int = Field(default=16 * MEBIBYTE, ge=1024, le=16 * MEBIBYTE)
    serving_requests_per_second: float = Field(
        default=5000.0, ge=0, description="of one client, in one worker; 0: no limit"
    )
    serving_parity_seconds: float = Field(
        default=3600.0, ge=0, description="how often golden records of what is served are scored again; 0: never"
    )
    serving_request_seconds: float = Field(default=10.0, gt=0)
    serving_drain_seconds: float = Field(
        default=0.0, ge=0, description="how long to answer on while not ready, for load balancers to notice"
    )
    serving_spool_segment_bytes: int = Field(default=16 * MEBIBYTE, ge=4096)
    serving_spool_max_bytes: int = Field(default=1024 * MEBIBYTE, ge=16_384)
    serving_spool_when_full: Literal["refuse", "drop_oldest"] = "refuse"
    serving_spool_max_age_seconds: float = Field(default=7 * 86_400.0, ge=1)
    serving_spool_lock_seconds: float = Field(default=1.0, gt=0)
    serving_replay_bytes_per_second: int = Field(default=8 * MEBIBYTE, ge=0)
    serving_fsync: Literal["never", "always"] = "never"
    serving_indexed_requests: int = Field(default=1_000_000, ge=1000)
    serving_shares: str = Field(
        default="1",
        pattern=r"^[0-9]{1,6}(,[0-9]{1,6})*$",
        description="weights by which hosts split each capacity; each host has a journal of its own",
    )
    serving_share: int = Field(default=0, ge=0, description="which of them is this host's, from 0")

    @model_validator(mode="after")
    def _room_for_a_roll(self) -> "ServingSettings":
        if self.serving_spool_max_bytes < 2 * self.serving_spool_segment_bytes:
            raise ValueError("HEADRACE_SERVING_SPOOL_MAX_BYTES must be at least twice …_SEGMENT_BYTES")
        return self

    @model_validator(mode="after")
    def _one_of_the_shares(self) -> "ServingSettings":
        hosts = self.hosts
        if not sum(hosts.weights):
            raise ValueError("HEADRACE_SERVING_SHARES must not be 0 for every host")
        if hosts.mine >= len(hosts.weights):
            raise ValueError("HEADRACE_SERVING_SHARE must name one of HEADRACE_SERVING_SHARES, counted from 0")
        return self

    @property
    def hosts(self) -> Hosts:
        """The hosts that split the capacities, and which this is."""
        return Hosts(tuple(map(int, self.serving_shares.split(","))), self.serving_share)

    @property
    def directory(self) -> Path:
        """What serving keeps: spool, release snapshot, package cache, worker files."""
        return self.home.absolute() / "serving"

    @property
    def spool(self) -> Path:
        """The journal; shared by all workers and replicas of a host."""
        return self.directory / "spool"

    @property
    def metrics_directory(self) -> Path:
        """Where the workers of this replica add up their metrics."""
        return self.directory / f"metrics-{self.instance}"

    @property
    def source(self) -> str:
        """The CloudEvents source of what serving says."""
        return f"serving/{self.instance}"

    def journal_options(self) -> JournalOptions:
        """The limits of the spool."""
        return JournalOptions(
            segment_bytes=self.serving_spool_segment_bytes,
            max_bytes=self.serving_spool_max_bytes,
            max_age_seconds=self.serving_spool_max_age_seconds,
            when_full=self.serving_spool_when_full,
            fsync=self.serving_fsync,
            lock_seconds=self.serving_spool_lock_seconds,
            indexed_requests=self.serving_indexed_requests,
        )


def child_environment(settings: ServingSettings) -> dict[str, str]:
    """Return the environment of workers and shipper: one OpenMP thread, shared metrics, nothing outside our home."""
    return {
        **os.environ,
        "HEADRACE_HOME": str(settings.home.absolute()),
        "PROMETHEUS_MULTIPROC_DIR": str(settings.metrics_directory),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(settings.directory / "bentoml"),
    }
