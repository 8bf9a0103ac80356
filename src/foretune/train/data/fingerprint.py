"""Is this the data of another study under another name? A hash of the rows' content.

It depends on the rows alone: not on their order, not on which split they are in, not on any name or
cap. Class ids count, class names do not (``neg`` and ``negative`` are one).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from foretune.core import DataError

if TYPE_CHECKING:
    from datasets import Dataset

_BATCH = 1000


def fingerprint(splits: Sequence[Dataset]) -> str:
    """A hash (32 hex digits) of the canonical rows of all ``splits`` together."""
    digests = [
        _digest(inputs + target.encode()) for rows in splits for inputs, target in _rows(rows)
    ]
    return _digest(b"".join(sorted(digests))).hex()


def input_hashes(rows: Dataset) -> list[bytes]:
    """A hash of each canonical row's input, without its label."""
    return [_digest(inputs) for inputs, _ in _rows(rows)]


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _rows(rows: Dataset) -> Iterator[tuple[bytes, str]]:
    """Each row's inputs as bytes, and its target as text. Images are taken as they are encoded."""
    from datasets import Image

    columns = set(rows.column_names)
    if "image" in columns:
        rows = rows.cast_column("image", Image(decode=False))
    for table in rows.with_format("arrow").iter(batch_size=_BATCH):
        batch = {name: table.column(name).to_pylist() for name in columns}
        if "image" in columns:
            inputs = [_image_bytes(image) for image in batch["image"]]
            targets: Iterable[str] = map(str, batch["label"])
        elif "tokens" in columns:
            inputs = [_joined(tokens) for tokens in batch["tokens"]]
            targets = map(json.dumps, batch["labels"])
        elif "context" in columns:
            pairs = zip(batch["question"], batch["context"], strict=True)
            inputs = [_joined(pair) for pair in pairs]
            targets = (json.dumps(sorted(answers["text"])) for answers in batch["answers"])
        else:
            texts = [batch[name] for name in ("text", "text_pair") if name in columns]
            inputs = [_joined(parts) for parts in zip(*texts, strict=True)]
            targets = map(repr, batch["label"])
        yield from zip(inputs, targets, strict=True)


def _joined(parts: Sequence[str]) -> bytes:
    """The parts with their lengths, so that "ab", "c" is not "a", "bc"."""
    return "".join(f"{len(part)}:{part}" for part in parts).encode("utf-8", "surrogatepass")


def _image_bytes(image: dict[str, bytes | str | None] | None) -> bytes:
    if image is None:
        return b""
    content = image["bytes"]
    if isinstance(content, bytes):
        return content
    path = Path(str(image["path"]))
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"expected an image at {path}, got none: {error.strerror}") from error
