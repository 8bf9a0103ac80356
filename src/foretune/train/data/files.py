"""How is one file, or one folder of images, read into rows? In memory, without a cache."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from foretune.core import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

SUFFIXES = (".parquet", ".csv", ".tsv", ".jsonl")
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})


def find_split(folder: Path, split: str) -> Path | None:
    """The file, the folder of images or the first of the parquet shards that holds ``split``.

    Raises:
        DataError: There are several.
    """
    found = [folder / f"{split}{suffix}" for suffix in SUFFIXES]
    found = [path for path in (*found, folder / split) if path.exists()]
    found += sorted(folder.glob(f"{split}-00000-of-*.parquet"))
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise DataError(
            f"expected one file for {split} in {folder}, got {names}; remove the others"
        )
    return found[0] if found else None


def read_rows(path: Path) -> Dataset:
    """The rows of a parquet, csv, tsv or jsonl file, or of a folder of images (a folder a class).

    Of a parquet file named as the hub names shards (``train-00000-of-00002.parquet``) all shards
    are read. Image paths in a file are taken from the file's folder.

    Raises:
        DataError: The path does not exist, or its content is not what its name says.
    """
    import pyarrow as pa
    from datasets import Dataset

    if path.is_dir():
        return _image_folder(path)
    if not path.exists():
        raise DataError(f"expected a file or a folder at {path}, got nothing")
    if path.suffix not in SUFFIXES:
        raise DataError(
            f"expected one of {', '.join(SUFFIXES)} or a folder of images, got {path}; convert it"
        )
    try:
        table = _read_table(path)
    except UnicodeDecodeError as error:
        raise DataError(
            f"expected UTF-8 text in {path}, got another encoding at byte {error.start}; convert "
            f"it, for example: iconv -f LATIN1 -t UTF-8 {path.name}"
        ) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"expected a {path.suffix[1:]} file in {path}, got: {error}") from error
    if len(set(table.column_names)) < len(table.column_names):
        raise DataError(f"expected each column once in {path}, got {table.column_names}")
    return _with_image_paths(Dataset(table), path.parent)


def _read_table(path: Path) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv, json, parquet

    if path.suffix == ".parquet":
        shards = [path]
        if "-00000-of-" in path.name:
            shards = sorted(path.parent.glob(path.name.replace("-00000-of-", "-*-of-")))
        # Opened one by one: a data set of files would add a column for a folder named key=value.
        return pa.concat_tables([parquet.ParquetFile(shard).read() for shard in shards])
    content = path.read_bytes()
    content.decode("utf-8")
    if not content.strip():
        raise DataError(f"expected rows in {path}, got an empty file")
    block = len(content) + 1  # one block: a type that changes half-way is seen, and long lines fit
    if path.suffix == ".jsonl":
        return json.read_json(
            pa.BufferReader(content), read_options=json.ReadOptions(block_size=block)
        )
    return csv.read_csv(
        pa.BufferReader(content),
        read_options=csv.ReadOptions(block_size=block),
        parse_options=csv.ParseOptions(
            delimiter="\t" if path.suffix == ".tsv" else ",", newlines_in_values=True
        ),
        convert_options=csv.ConvertOptions(auto_dict_encode=False),
    )


def _image_folder(folder: Path) -> Dataset:
    from datasets import Dataset, Features, Image, Value

    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES and path.parent != folder
    )
    if not files:
        raise DataError(
            f"expected folders of images, one a class, in {folder}, got no image in any"
        )
    values = {
        "image": [{"path": str(path.resolve()), "bytes": None} for path in files],
        "label": [path.relative_to(folder).parts[0] for path in files],
    }
    return Dataset.from_dict(
        values, features=Features({"image": Image(), "label": Value("string")})
    )


def _with_image_paths(rows: Dataset, folder: Path) -> Dataset:
    """Rows whose texts that name image files are made paths from ``folder``."""
    from datasets import Value

    for name, feature in rows.features.items():
        if feature not in (Value("string"), Value("large_string")) or len(rows) == 0:
            continue
        first = rows[0][name]
        if not first or Path(first).suffix.lower() not in IMAGE_SUFFIXES:
            continue
        if not (folder / first).is_file():
            continue
        paths = [str((folder / text).resolve()) if text else text for text in rows[:][name]]
        rows = rows.remove_columns([name]).add_column(name, paths)
    return rows
