"""What does a storage URL point at, and how is it spoken of without its credentials?"""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy as sa

from foretune.core import mask_url

MEANINGS = {
    "locked": "is locked by another process: try again when it is done",
    "not a database": "is not an SQLite database",
    "malformed": "is damaged",
    "decode": "is damaged",
    "readonly": "is read-only",
    "unable to open": "cannot be opened",
    "disk is full": "cannot be written, its disk is full",
    "disk I/O error": "cannot be written, its disk fails",
}


def file_path(text: str) -> Path | None:
    """The file that a path or URL means; None where it means a server or a database in memory.

    >>> file_path("sqlite:///outputs/history.db").as_posix()
    'outputs/history.db'
    >>> file_path("postgresql://db.example/optuna") is None
    True
    """
    scheme, mark, rest = text.partition("://")
    if not mark:
        return Path(text)
    if scheme == "file":
        return Path(re.sub(r"^(localhost)?(?=/)", "", rest))
    if scheme.partition("+")[0] != "sqlite":
        return None
    database = sa.make_url(text).database
    if not database or database == ":memory:" or "mode=memory" in text:
        return None
    if database.startswith("file:"):
        database = database.removeprefix("file:").partition("?")[0]
    return Path(database)


def reason(error: Exception, url: str = "") -> str:
    """What a database's error means, in one line and without the URL's password."""
    text = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    secret = _password(url)
    if secret:
        text = text.replace(secret, "***")
    for sign, meaning in MEANINGS.items():
        if sign in text:
            return f"{meaning} ({mask_url(text)})"
    return f"cannot be used ({mask_url(text)})"


def _password(url: str) -> str | None:
    try:
        return sa.make_url(url).password
    except sa.exc.ArgumentError:
        return None
