"""Problems of any file are reported before its format matters."""

import gzip
from pathlib import Path

import pytest

from ticketlab.errors import UserError
from ticketlab.tasks.formats.files import file_bytes, files_in, reading


def test_gzip_is_undone(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"content"))
    (tmp_path / "b").write_bytes(b"content")
    assert file_bytes(tmp_path / "a.gz", "a file") == file_bytes(tmp_path / "b", "a file") == b"content"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no file or folder"),
        (b"", "an empty file"),
        (gzip.compress(b"", mtime=0), "an empty file"),
        (gzip.compress(b"content" * 99, mtime=0)[:-12], "a damaged gzip file"),
        (gzip.compress(b"content" * 99, mtime=0)[:14] + b"\xff" * 30, "a damaged gzip file"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        file_bytes(tmp_path / "file", "a file of such a kind")
    assert str(tmp_path / "file") in caught.value.got
    assert caught.value.expected == "a file of such a kind"
    assert caught.value.do


def test_a_folder_is_not_a_file_and_a_file_is_not_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="got a folder"):
        file_bytes(tmp_path, "a file")
    (tmp_path / "file").write_bytes(b"content")
    with pytest.raises(UserError, match="got a file"):
        files_in(tmp_path / "file", "a folder")


def test_no_permission_is_said(tmp_path: Path) -> None:
    # Raised here, since a test that is run by root may read everything.
    message = r"no permission to read .*; expected a file\. Change its permissions"
    with pytest.raises(UserError, match=message), reading(tmp_path / "file", "a file"):
        raise PermissionError(13, "Permission denied")


def test_hidden_files_are_left_out(tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden", "__MACOSX"):
        (tmp_path / name).touch()
    assert [p.name for p in files_in(tmp_path, "a folder")] == ["a", "b"]
