"""The command line as a user runs it, with everything it writes inside the test's own folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALL = [
    "data.source=packaged", "data.train_rows=64", "data.validation_rows=48", "data.test_rows=48",
    "model=bert_tiny", "space.params.epochs=1",
]  # fmt: skip


class CommandLine:
    """``python -m src.main`` from the checkout, writing below ``folder``."""

    small = tuple(SMALL)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.places = [
            f"outputs={folder}/outputs",
            f"storage.url=sqlite:///{folder}/history.db",
            f"pool.folder={folder}/pool",
            f"tracking.folder={folder}/mlruns",
            f"search.meta.cache_dir={folder}/cache",
            "history.seed=false",  # what ships is tested in test_seed.py
            f"hydra.run.dir={folder}/run",
            f"hydra.sweep.dir={folder}/run",
        ]

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "src.main", *self.places, *words]

    def start(self, *words: str) -> subprocess.Popen:
        return subprocess.Popen(
            self.command(*words),
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __call__(self, *words: str) -> tuple[int, str]:
        process = self.start(*words)
        try:
            out, _ = process.communicate(timeout=240)
        finally:
            process.kill()
        return process.returncode, out


@pytest.fixture
def foretune(tmp_path):
    return CommandLine(tmp_path)
