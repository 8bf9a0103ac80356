"""The UI's command is the cheap one, on this machine alone, on a port that is free."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from foretune.config.schema.tracking import TrackingConfig
from foretune.core import ConfigError
from foretune.tracking import show_ui, ui_command
from foretune.tracking.ui import free_port


def test_the_command_names_the_database_and_the_loopback(tmp_path: Path):
    command = ui_command(tmp_path, 5000)
    assert f"sqlite:///{tmp_path}/mlflow.db" in command
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--workers") + 1] == "1"


def test_a_port_in_use_is_passed_over():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        assert free_port(taken) > taken


def test_no_record_no_ui(tmp_path: Path):
    with pytest.raises(ConfigError, match="Run a search first"):
        show_ui(TrackingConfig(folder=str(tmp_path)))
    assert list(tmp_path.iterdir()) == []
