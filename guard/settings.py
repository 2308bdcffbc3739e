"""Settings from the environment, read once; only wiring, worker, app and cli see them.

Scalars only, each ``GUARD_NAME`` (nested ones would be ``GUARD_OUTER__INNER``). What
describes providers, models and policies stands in ``guard.yaml``, not here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from guard.errors import ConfigurationError

__all__ = ["Settings", "read_settings"]

PREFIX = "GUARD_"


class Settings(BaseSettings):
    """Where Guard listens and keeps its things. Relative paths are made absolute.

    ``workers``: processes, ``None`` for one a core, at most four. ``demo_port`` and
    ``models_port``: ports of the demo model and of the model server on 127.0.0.1; 0 lets
    ``guard serve`` take a free one, which it hands to its workers in this same setting.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="ignore", env_ignore_empty=True
    )

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    data_dir: Path = Field(default=Path("guard-data"), validate_default=True)
    config: Path | None = None
    workers: int | None = Field(default=None, ge=1, le=64)
    demo_port: int = Field(default=0, ge=0, le=65535)
    models_port: int = Field(default=0, ge=0, le=65535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("data_dir", "config")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path.expanduser().absolute() if path else None

    @property
    def config_path(self) -> Path:
        """Where ``guard.yaml`` is."""
        return self.config or self.data_dir / "guard.yaml"


def read_settings() -> Settings:
    """Read the environment. Raises ``ConfigurationError`` that names the variable."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = PREFIX + "__".join(str(part) for part in first["loc"]).upper()
        raise ConfigurationError(f"{name}: {first['msg']}") from None
