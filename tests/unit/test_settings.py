"""Settings from the environment: typed, named in errors, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from guard.errors import ConfigurationError
from guard.settings import Settings, read_settings

NAMES = [f"GUARD_{name.upper()}" for name in Settings.model_fields]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return an empty folder to stand in, with no setting in the environment."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_anything_the_defaults_count(bare: Path) -> None:
    settings = read_settings()
    assert (settings.host, settings.port, settings.workers, settings.demo_port) == (
        "127.0.0.1",
        8080,
        None,
        0,
    )
    assert settings.data_dir == bare / "guard-data"
    assert settings.config_path == bare / "guard-data" / "guard.yaml"
    assert settings.log_level == "info"


def test_each_setting_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch, bare: Path) -> None:
    values = {
        "GUARD_HOST": "::1",
        "GUARD_PORT": "9000",
        "GUARD_DATA_DIR": "elsewhere",
        "GUARD_CONFIG": "conf/guard.yaml",
        "GUARD_WORKERS": "3",
        "GUARD_DEMO_PORT": "9001",
        "GUARD_MODELS_PORT": "9002",
        "GUARD_LOG_LEVEL": "warning",
    }
    assert set(values) == set(NAMES)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    assert (settings.host, settings.port, settings.workers) == ("::1", 9000, 3)
    assert (settings.demo_port, settings.models_port, settings.log_level) == (9001, 9002, "warning")
    assert settings.data_dir == bare / "elsewhere"
    assert settings.config_path == bare / "conf" / "guard.yaml"


def test_a_path_may_begin_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GUARD_DATA_DIR", "~/guard")
    assert read_settings().data_dir == tmp_path / "home" / "guard"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GUARD_PORT", "eighty"),
        ("GUARD_PORT", "65536"),
        ("GUARD_PORT", "-1"),
        ("GUARD_WORKERS", "0"),
        ("GUARD_WORKERS", "65"),
        ("GUARD_LOG_LEVEL", "loud"),
        ("GUARD_DEMO_PORT", "1.5"),
    ],
)
def test_a_wrong_value_names_its_variable_and_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as refused:
        read_settings()
    assert refused.value.message.startswith(f"{name}: ") and value not in refused.value.message


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_PORT", "")
    assert read_settings().port == 8080


def test_settings_do_not_change() -> None:
    settings = read_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1
