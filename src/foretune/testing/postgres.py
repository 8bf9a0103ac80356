"""A real PostgreSQL server for tests, on a socket in a temporary folder, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

PASSWORD = "s3cret"


class NoServer(Exception):
    """This machine cannot run one; says what it needs."""


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Run a server.

    Yields:
        Its URL with ``{name}`` in the place of the database's name (``postgres`` exists).

    Raises:
        NoServer: Its programs are not installed, or there is nobody to run them as.
    """
    programs, account = _programs(), _account()
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    if account:
        shutil.chown(folder, account)
    data, secret = folder / "data", folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)

    def run(program: str, *options: str | Path) -> None:
        subprocess.run(
            [programs / program, "-D", data, *options],
            check=True,
            user=account,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    try:
        run("initdb", "-U", "me", "-A", "scram-sha-256", f"--pwfile={secret}", "-N", "-E", "UTF8")
        settings = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "start", "-w", "-o", settings, "-l", folder / "log")
        try:
            yield f"postgresql+psycopg://me:{PASSWORD}@/{{name}}?host={folder}"
        finally:
            run("pg_ctl", "stop", "-m", "immediate")
    finally:
        shutil.rmtree(folder)


def create_database(url: str, name: str) -> str:
    """Create a database on the server; its URL."""
    from sqlalchemy import create_engine

    engine = create_engine(url.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return url.format(name=name)


def _programs() -> Path:
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    raise NoServer("needs the PostgreSQL server programs (initdb, pg_ctl)")


def _account() -> str | None:
    """Whom to run the server as, which refuses to run as root; None: this user."""
    if os.geteuid() != 0:
        return None
    for user in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(user).pw_name
    raise NoServer("needs an unprivileged user to run the server as")
