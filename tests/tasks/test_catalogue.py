"""The list of data, what a path holds, and the check of a file."""

import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ticketlab.errors import UserError
from ticketlab.tasks import TASKS, Cifar10, Csv, Idx, ImageFolder, Npz, Parquet, available, check, from_path

TABLE = "a,b,y\n" + "".join(f"{i},{i * i},{i % 2}\n" for i in range(20))


def test_the_list_has_every_choice_and_says_how_to_get_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fashion").mkdir()
    monkeypatch.setenv("TICKETLAB_DATA", str(tmp_path))
    rows = {row.name: row for row in available()}
    assert list(rows) == list(TASKS)
    assert rows["digits"].present is True
    assert rows["fashion"].present is True
    assert rows["mnist"].present is False
    assert "$TICKETLAB_DATA/mnist" in rows["mnist"].how
    assert rows["csv"].present is None
    assert rows["csv"].how == "csv:path=FILE,target=COLUMN"
    assert all(row.how for row in rows.values() if not row.present)


def test_files_are_known_by_content_or_suffix(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.eye(4), y=np.arange(4) % 2)
    (tmp_path / "a.npz").rename(tmp_path / "archive")
    assert from_path(tmp_path / "archive") == Npz(path=str(tmp_path / "archive"))
    (tmp_path / "b").write_bytes(b"PAR1 and so on")
    assert isinstance(from_path(tmp_path / "b"), Parquet)
    for name in ("c.csv", "c.tsv", "c.txt"):
        (tmp_path / name).write_text(TABLE)
        assert isinstance(from_path(str(tmp_path / name)), Csv)
    (tmp_path / "key.csv").write_text(TABLE.replace(TABLE.partition(",")[0], "PK", 1))  # no archive
    assert isinstance(from_path(tmp_path / "key.csv"), Csv)
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(TABLE.encode()))
    assert isinstance(from_path(tmp_path / "d.csv.gz"), Csv)


def test_folders_are_known_by_what_is_inside(tmp_path: Path) -> None:
    for name, file in (
        ("idx", "train-images-idx3-ubyte.gz"),
        ("hub", "train-00000.parquet"),
        ("hub2", "data/train-00000.parquet"),
        ("bin", "data_batch_1.bin"),
        ("images", "cat/1.png"),
    ):
        (tmp_path / name / file).parent.mkdir(parents=True)
        (tmp_path / name / file).write_bytes(b"\0\0\x08\x03")
    assert isinstance(from_path(tmp_path / "idx"), Idx)
    assert from_path(tmp_path / "idx" / "train-images-idx3-ubyte.gz") == Idx(path=str(tmp_path / "idx"))
    assert isinstance(from_path(tmp_path / "hub"), Parquet)
    assert isinstance(from_path(tmp_path / "hub2"), Parquet)
    assert isinstance(from_path(tmp_path / "bin"), Cifar10)
    assert isinstance(from_path(tmp_path / "images"), ImageFolder)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with (tmp_path / "a.pkl").open("wb") as file:
        pickle.dump({"x": 1}, file)
    np.save(tmp_path / "b.npy", np.eye(3))
    (tmp_path / "c.xyz").write_bytes(b"something")
    (tmp_path / "d").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for name, message in (
        ("a.pkl", "unknown format.*Pickles are never read"),
        ("b.npy", "unknown format.*A single array has no targets"),
        ("c.xyz", "unknown format.*starts with 73 6f.*Convert it"),
        ("d", "an empty file"),
        ("folder", "nothing to read in the folder"),
        ("nothing", "no file or folder"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            from_path(tmp_path / name)
        assert caught.value.do


def test_check_reads_and_splits(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    rows = dict(check(tmp_path / "t.csv"))
    assert rows["read as"] == "Csv"
    assert rows["examples"] == "20"
    assert rows["examples per class"] == "0: 10, 1: 10"
    assert rows["split"] == "12 train, 4 validation, 4 test"


def test_check_counts_duplicates_and_finds_rare_classes(tmp_path: Path) -> None:
    (tmp_path / "same.csv").write_text("a,y\n" + "".join(f"{i % 2},{i % 2}\n" for i in range(20)))
    assert ("note", "4 of 4 test examples have the same inputs as a training example.") in check(
        tmp_path / "same.csv"
    )
    (tmp_path / "rare.csv").write_text("a,y\n" + "".join(f"{i},{'xy'[i == 3]}\n" for i in range(20)))
    with pytest.raises(UserError, match=r"every class of rare.csv: 'y' \(1\)"):
        check(tmp_path / "rare.csv")


def test_check_of_a_folder_of_images(tmp_path: Path) -> None:
    for c in ("cat", "dog"):
        (tmp_path / "pets" / c).mkdir(parents=True)
        for i in range(5):
            Image.new("L", (3, 3), 20 * i).save(tmp_path / "pets" / c / f"{i}.png")
    rows = dict(check(tmp_path / "pets"))
    assert (rows["data set"], rows["input"]) == ("pets", "3 × 3 × 1, uint8")
