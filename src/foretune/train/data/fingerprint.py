"""Is this the data of another study under another name? A hash of the rows' content.

It depends on the rows alone: not on their order, not on which split they are in, not on any name or
cap. Class ids count, class names do not (``neg`` and ``negative`` are one).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets import Dataset

_BATCH = 1000


def input_hashes(rows: Dataset) -> list[bytes]:
    """A hash of each canonical row's input, without its label."""
    return [_digest(inputs) for inputs, _ in _rows(rows)]


def fingerprint(splits: Sequence[Dataset]) -> str:
    """A hash (32 hex digits) of the rows of all ``splits`` together."""
    digests = [
        _digest([_digest(inputs), target]) for rows in splits for inputs, target in _rows(rows)
    ]
    whole = hashlib.blake2b(digest_size=16)
    for digest in sorted(digests):
        whole.update(digest)
    return whole.hexdigest()


def _digest(parts: Sequence[str | bytes]) -> bytes:
    row = hashlib.blake2b(digest_size=16)
    for part in parts:
        content = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        row.update(len(content).to_bytes(8, "big"))  # "ab", "c" is not "a", "bc"
        row.update(content)
    return row.digest()


def _rows(rows: Dataset) -> Iterator[tuple[list[str | bytes], str]]:
    """Each row's inputs, and its target as text. Images are compared as they are encoded."""
    from datasets import Image

    if "image" in rows.column_names:
        rows = rows.cast_column("image", Image(decode=False))
    for batch in rows.iter(batch_size=_BATCH):
        n_rows = len(next(iter(batch.values())))
        for k in range(n_rows):
            row = {name: values[k] for name, values in batch.items()}
            if "image" in row:
                yield [_image_bytes(row["image"])], str(row["label"])
            elif "tokens" in row:
                yield row["tokens"], json.dumps(row["labels"])
            elif "context" in row:
                target = json.dumps(sorted(row["answers"]["text"]))
                yield [row["question"], row["context"]], target
            else:
                inputs = [row["text"]] + ([row["text_pair"]] if "text_pair" in row else [])
                yield inputs, repr(row["label"])


def _image_bytes(image: dict[str, bytes | str | None]) -> bytes:
    content = image["bytes"]
    return content if isinstance(content, bytes) else Path(str(image["path"])).read_bytes()
