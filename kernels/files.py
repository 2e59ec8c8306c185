"""Files that are either whole or not there: atomic writing, content hashes, output folders."""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from turncoat.kernels.errors import ConfigError, DataError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Write to the path this yields; the file appears under `path` only once it is complete and on disk.

    The temporary file lies in the same folder (a rename is atomic only within one file system) and keeps the suffix
    of `path`, so that libraries which choose a format by suffix choose the right one. It is removed on any error.

    Raises:
        ConfigError: the folder is missing or cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".tmp-{os.getpid()}-{secrets.token_hex(4)}-{path.name}")
    if not path.parent.is_dir():
        raise ConfigError(f"{path} cannot be written: there is no folder {path.parent}; create it or choose another.")
    if not os.access(path.parent, os.W_OK):
        raise ConfigError(f"{path} cannot be written: no permission to write in {path.parent}; choose another folder.")
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
        _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically. NaN and infinity are refused: they are not JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def readable_by_all(path: str | Path) -> None:
    """Give a file the permissions of any new file; some libraries make files that only their owner can read."""
    mask = os.umask(0)
    os.umask(mask)
    Path(path).chmod(0o666 & ~mask)


def content_hash(source: str | Path | bytes) -> str:
    """SHA-256 of a file's bytes (or of `source` itself, when it is bytes), in hexadecimal.

    Raises:
        DataError: the file is missing or cannot be read.
    """
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    try:
        with open(source, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{source} cannot be read: {error.strerror}; check the path.") from error


def check_output_folder(path: str | Path, resume: bool = False) -> Path:
    """Make sure that results can be written in folder `path`, and create it.

    Raises:
        ConfigError: the folder holds something already and `resume` is false, or it cannot be created or written.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise ConfigError(f"The output {path} is a file, not a folder; choose another name.")
    try:
        path.mkdir(parents=True, exist_ok=True)
        occupied = not resume and any(path.iterdir())
    except OSError as error:
        raise ConfigError(f"The output folder {path} cannot be created or read: {error.strerror}.") from error
    if occupied:
        raise ConfigError(f"The output folder {path} is not empty; choose another, or resume what is there.")
    if not os.access(path, os.W_OK):
        raise ConfigError(f"The output folder {path} cannot be written: no permission; choose another.")
    return path


def _flush(path: Path) -> None:
    """Ask the system to put a file, or the entries of a folder, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
