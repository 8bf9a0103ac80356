"""How is MLflow's UI looked at without a person? A served record and a headless Chromium.

For the end-to-end test and for ``docs/screenshot.py``.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from foretune.tracking.ui import ENVIRONMENT, HOST, free_port, ui_command

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

# Without the background-networking flags a machine behind a closed network is asked for Google's
# hosts at every start.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)

# MLflow opens a chat over a third of the page at the first visit, unless told that it has already.
NO_ASSISTANT = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"


def missing_browser() -> str:
    """What is missing for a headless Chromium, as a sentence; empty where nothing is."""
    absent = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"not installed: {', '.join(absent)} (Debian: apt install chromium-driver)" * bool(
        absent
    )


@contextmanager
def chromium(*, width: int = 1440, height: int = 900) -> Iterator[Chrome]:
    """A headless Chromium with an empty profile, ended and removed afterwards."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ChromeOptions()
        options.binary_location = str(shutil.which("chromium"))
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        driver = Chrome(options, Service(str(shutil.which("chromedriver"))))
        try:
            driver.execute_cdp_cmd(
                "Page.addScriptToEvaluateOnNewDocument", {"source": NO_ASSISTANT}
            )
            yield driver
        finally:
            driver.quit()


@contextmanager
def served_ui(folder: Path, *, port: int = 5000, timeout_s: float = 90.0) -> Iterator[str]:
    """MLflow's UI over the record in ``folder``: its address, once it answers.

    Raises:
        RuntimeError: It ended, or did not answer in time; with what it wrote.
    """
    port = free_port(port)
    address = f"http://{HOST}:{port}"
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(
            ui_command(folder, port),
            env=os.environ | ENVIRONMENT,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # its workers end with it
        )
        try:
            give_up_s = time.monotonic() + timeout_s
            while not _answers(f"{address}/health"):
                if server.poll() is not None or time.monotonic() > give_up_s:
                    log.seek(0)
                    raise RuntimeError(f"MLflow's UI does not answer: {log.read()[-2000:]}")
                time.sleep(0.2)
            yield address
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGTERM)
            server.wait(timeout=30)


def see(driver: Chrome, *texts: str, timeout_s: float = 60.0) -> str:
    """Wait until the page shows every one of ``texts``; returns all that it shows.

    Raises:
        AssertionError: One of them never came; with what came instead.
    """
    give_up_s = time.monotonic() + timeout_s
    while True:
        shown = str(driver.execute_script("return document.body.innerText"))
        missing = [text for text in texts if text not in shown]
        if not missing:
            return shown
        if time.monotonic() > give_up_s:
            raise AssertionError(f"expected {missing} on {driver.current_url}, got: {shown[:2000]}")
        time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
