"""Files are whole or not there."""

import hashlib
import json
import os

import pytest

from turncoat.kernels import ConfigError, DataError
from turncoat.kernels.files import (
    atomic_path,
    check_output_folder,
    content_hash,
    readable_by_all,
    write_json,
    write_text,
)


def test_a_file_appears_only_when_complete(tmp_path):
    target = tmp_path / "table.parquet"
    with atomic_path(target) as temporary:
        assert temporary.parent == tmp_path and temporary.suffix == ".parquet"
        temporary.write_bytes(b"half")
        assert not target.exists()
    assert target.read_bytes() == b"half" and os.listdir(tmp_path) == ["table.parquet"]


def test_an_interrupted_write_keeps_the_old_file_and_leaves_nothing_behind(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(KeyboardInterrupt), atomic_path(target) as temporary:
        temporary.write_text("new")
        raise KeyboardInterrupt
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ConfigError, match="there is no folder"):
        write_text(tmp_path / "nowhere" / "a.txt", "x")


def test_json_is_readable_and_never_holds_nan(tmp_path):
    write_json(tmp_path / "a.json", {"é": [1, 2.5, None]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"é": [1, 2.5, None]}
    with pytest.raises(ValueError):
        write_json(tmp_path / "b.json", {"x": float("nan")})
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_content_hash_is_sha256_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"turncoat")
    expected = hashlib.sha256(b"turncoat").hexdigest()
    assert content_hash(tmp_path / "a") == content_hash(str(tmp_path / "a")) == content_hash(b"turncoat") == expected
    with pytest.raises(DataError, match="cannot be read"):
        content_hash(tmp_path / "missing")


def test_an_output_folder_is_created_or_refused(tmp_path):
    folder = tmp_path / "new" / "run"
    assert check_output_folder(folder) == folder and folder.is_dir()
    check_output_folder(folder)
    (folder / "run.json").touch()
    with pytest.raises(ConfigError, match="is not empty"):
        check_output_folder(folder)
    check_output_folder(folder, resume=True)
    with pytest.raises(ConfigError, match="is a file"):
        check_output_folder(folder / "run.json")
    with pytest.raises(ConfigError, match="cannot be created"):
        check_output_folder(folder / "run.json" / "deeper")


def test_an_output_folder_without_permission_is_refused(tmp_path, monkeypatch):
    """The system's answer is put in its mouth: a superuser may write anywhere, and the test holds for one too."""
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(ConfigError, match="no permission"):
        check_output_folder(tmp_path / "run")
    with pytest.raises(ConfigError, match="no permission"):
        write_text(tmp_path / "a.txt", "x")


def test_a_file_that_a_library_kept_to_its_owner_can_be_read_by_all(tmp_path):
    path = tmp_path / "weights"
    path.touch(0o600)
    (tmp_path / "usual").touch()
    readable_by_all(path)
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode
