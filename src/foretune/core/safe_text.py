"""How is text shown or stored that may hold credentials, or that others wrote?"""

from __future__ import annotations

import re
from collections.abc import Mapping

# A user, a colon and a password that may hold anything but a line's end (SQLAlchemy takes spaces
# too); ":5432/" and ":5432, " are ports. Else whatever stands before the last @ of the word.
_USER_INFO = r"(?:[^\s/@:]*:(?!\d+[,;.)]*(?:[/\s]|$))[^@\n]*@(?:\S*@)?|\S*@)"
_SECRET = re.compile(r"([A-Za-z][\w+.-]*://)(?!/)" + _USER_INFO)
_QUERY_SECRET = re.compile(r"(?i)([?&](?:password|passwd|pwd|token|secret|sslpassword)=)[^&\s]*")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tabs and line ends


def mask_url(text: str) -> str:
    """``text`` with the user and password of the URLs in it hidden.

    >>> mask_url("postgresql://me:p@ss@db.example/optuna?sslmode=require")
    'postgresql://***@db.example/optuna?sslmode=require'
    >>> mask_url("cannot reach http://me:two words@host:80/x or http://host:80, ask a@b")
    'cannot reach http://***@host:80/x or http://host:80, ask a@b'
    >>> mask_url("sqlite:///outputs/history.db")
    'sqlite:///outputs/history.db'
    """
    return _QUERY_SECRET.sub(r"\1***", _SECRET.sub(r"\1***@", text))


def masked(value: object) -> object:
    """``value``, mappings and lists in it included, with `mask_url` applied to every text.

    >>> masked({"url": "postgresql://me:secret@host/db", "n": [1, "a"]})
    {'url': 'postgresql://***@host/db', 'n': [1, 'a']}
    """
    if isinstance(value, str):
        return mask_url(value)
    if isinstance(value, Mapping):
        return {key: masked(member) for key, member in value.items()}
    return [masked(member) for member in value] if isinstance(value, list) else value


def printable(text: str) -> str:
    r"""``text`` without the control characters by which a terminal can be told what to do.

    >>> printable("a study\x1b]0;another title\x07")
    'a study?]0;another title?'
    """
    return _CONTROLS.sub("?", text)
