"""Every variable that the registry reads."""

from pathlib import Path

from pydantic import Field

from shared.spine.settings import SpineSettings


class RegistrySettings(SpineSettings):
    """Prefix HEADRACE_, as everywhere."""

    registry_host: str = "127.0.0.1"
    registry_port: int = Field(default=7101, ge=1, le=65535)
    registry_database_url: str = Field(default="", repr=False)
    registry_upload_bytes: int = Field(default=512 * 1024 * 1024, ge=1024)
    registry_package_wait_seconds: float = Field(
        default=20.0, ge=0, description="how long `model_trained` waits for its package"
    )

    @property
    def database(self) -> str:
        """A file below the home by default; any SQLAlchemy async URL otherwise."""
        return self.database_url(self.registry_database_url, "registry")

    @property
    def work(self) -> Path:
        """Where uploads are unpacked and packages are verified."""
        return (self.home / "registry").absolute()
