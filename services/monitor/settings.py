"""Every variable that the monitor reads."""

from pydantic import Field

from shared.spine.settings import SpineSettings


class MonitorSettings(SpineSettings):
    """Prefix HEADRACE_, as everywhere."""

    monitor_host: str = "127.0.0.1"
    monitor_port: int = Field(default=7103, ge=1, le=65535)
    monitor_database_url: str = Field(default="", repr=False)
    monitor_flush_seconds: float = Field(default=2.0, gt=0, description="wall mode: longest wait of a row in memory")
    monitor_flush_rows: int = Field(
        default=5_000, ge=1, description="wall mode: rows in memory that are written at once"
    )
    monitor_replay_flush_seconds: float = Field(
        default=5.0, gt=0, description="replay: rows that no time_advanced has written are written after this"
    )
    monitor_replay_flush_rows: int = Field(default=50_000, ge=1, description="replay: rows in memory that are written")
    monitor_tidy_seconds: float = Field(default=300.0, gt=0, description="event time between two looks at the files")
    monitor_compact_files: int = Field(default=32, ge=1, description="files of a day above which they are joined")
    monitor_keep_days: int | None = Field(default=None, ge=30, description="event days that are kept; None: all")
    monitor_lease_seconds: float = Field(
        default=15.0, ge=1, description="silence of the member that closes blocks after which another does"
    )
    monitor_vacuum_hours: int = Field(default=168, ge=24, description="how long a version can be read for certain")

    @property
    def database(self) -> str:
        """A file below the home by default; any SQLAlchemy async URL otherwise."""
        return self.database_url(self.monitor_database_url, "monitor")

    @property
    def flush_seconds(self) -> float:
        """Longest wait of a row in memory in the present clock mode."""
        return self.monitor_flush_seconds if self.clock == "wall" else self.monitor_replay_flush_seconds

    @property
    def flush_rows(self) -> int:
        """Most rows in memory in the present clock mode."""
        return self.monitor_flush_rows if self.clock == "wall" else self.monitor_replay_flush_rows
