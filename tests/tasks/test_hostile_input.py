"""Files and words that once ended in a traceback, took all memory, or would: each is read, or refused in words and at once.

`hostile/` holds the smallest files that fuzzing has found for each fault, named by the exception that they raised.
"""

from __future__ import annotations

import gzip
import json
import struct
import zipfile
import zlib
from pathlib import Path

import duckdb
import numpy as np
import pytest
from PIL import Image

from ticketlab.claims import CLAIMS
from ticketlab.errors import UserError
from ticketlab.networks import MLP, ResNet
from ticketlab.plans import read_plan
from ticketlab.store.records import read_record
from ticketlab.store.tables import Damaged
from ticketlab.store.ticket_file import read_ticket
from ticketlab.tasks import check, from_path
from ticketlab.tasks.formats import csv, files, images

HOSTILE = sorted((Path(__file__).parent / "hostile").iterdir())
HARMLESS = {
    "attributeerror-bd2.npz",  # two members of one name
    "attributeerror-e27.parquet",  # metadata of another shape than the hub's
    "keyerror-19a.parquet",
    "keyerror-nul.parquet",  # a column whose name begins with null characters
    "typeerror-a3c.parquet",
    "unicodedecodeerror-c32.npz",  # classes that are no UTF-8
    "valueerror-f73.npz",  # long doubles
}


@pytest.mark.parametrize("file", HOSTILE, ids=lambda file: file.name)
def test_files_found_by_fuzzing(file: Path) -> None:
    if file.name in HARMLESS:
        assert check(file)
        return
    with pytest.raises(UserError) as caught:
        check(file)
    assert caught.value.expected


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ('network = "resnet:blocks=300000000"', "at most 1000 blocks"),
        ("task = 'csv:path=\"\\q\"'", "text in quotes as in JSON"),
        ('network = "mlp:initialisation=3,initialisation.family=lecun"', "either the whole or its fields"),
        (f'task = "{"a" * 5000}"', "one of digits"),
        (f'task = "/{"a" * 5000}"', "cannot be read"),
        ('task = "~nobody-has-this-name/a.csv"', "home folder is not known"),
        ('task = "mp\\u0000/x.csv"', "cannot be read"),
        (f"margin = 1{'0' * 400}", "a whole number of 401 digits"),
        (f"seeds = {'9' * 5000}", "not TOML"),
        (f"a = {'[' * 100000}", "not TOML"),
        (f"{'a.' * 20000}a = 1", "a name of 100 parts"),
    ],
    ids=[
        "blocks",
        "escape",
        "field of a number",
        "long",
        "long path",
        "home",
        "null",
        "float",
        "digits",
        "nesting",
        "dots",
    ],
)
def test_words_of_plans(tmp_path: Path, plan: str, message: str) -> None:
    (tmp_path / "p.toml").write_text(f'claim = "tangent-minimum"\n{plan}\n')
    with pytest.raises(UserError, match=message):
        read_plan(tmp_path / "p.toml", CLAIMS)


def test_networks_of_any_size_are_refused_before_they_are_drawn() -> None:
    with pytest.raises(UserError, match="1,000,002,000,000 weights"):
        MLP(widths=(10**6, 10**6)).build((1,), 1)
    assert ResNet(blocks=1000).blocks == 1000


@pytest.mark.parametrize(
    "text", ['{"a": "\\ud800", "sha256": "x"}', "[" * 100000, "[1]", "1", '{"sha256": NaN}']
)
def test_records(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(Damaged):
        read_record(tmp_path / "r.json")


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E8M0"])
def test_tickets_of_types_that_numpy_has_not(tmp_path: Path, dtype: str) -> None:
    about = {"format": "ticketlab ticket 1"}
    header = {"__metadata__": about, "mask/a": {"dtype": dtype, "shape": [2], "data_offsets": [0, 2]}}
    text = json.dumps(header).encode()
    (tmp_path / "t").write_bytes(struct.pack("<Q", len(text)) + text + bytes(2))
    with pytest.raises(UserError, match="cannot be read"):
        read_ticket(tmp_path / "t")


def test_an_idx_file_without_values_but_with_large_axes(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(struct.pack(">4B4I", 0, 0, 8, 4, 0, *[2**32 - 1] * 3))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, 2) + b"\0\1")
    with pytest.raises(UserError, match="at least one example"):
        check(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(
        bytes([0, 0, 8, 200]) + struct.pack(">I", 1) * 200 + b"\1"
    )
    with pytest.raises(UserError, match="magic number"):
        check(tmp_path)


# What small files unpack to ---------------------------------------------------------------------------------------------------


@pytest.fixture
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LEAST_ALLOWED", 2**20)


@pytest.mark.usefixtures("little_room")
def test_a_gzip_file_is_not_unpacked_beyond_the_limit(tmp_path: Path) -> None:
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(b"1,2\n" * 2**20))
    with pytest.raises(UserError, match="which unpacks to .* GiB or more"):
        check(tmp_path / "d.csv.gz")
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n2,3\n" * 2**10))
    assert check(tmp_path / "d.csv.gz")


@pytest.mark.usefixtures("little_room")
def test_arrays_are_not_unpacked_beyond_the_limit_and_unused_ones_never(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 3
    np.savez_compressed(tmp_path / "d.npz", x=np.zeros((30, 10**5)), y=y)
    with pytest.raises(UserError, match="which unpacks to .* GiB or more"):
        check(tmp_path / "d.npz")
    np.savez_compressed(tmp_path / "d.npz", x=x, y=y, unused=np.zeros((30, 10**5)))
    assert ("note", "Arrays left out: unused.") in check(tmp_path / "d.npz")
    with zipfile.ZipFile(tmp_path / "d.npz", "a") as archive:
        archive.writestr("broken.npy", b"\x93NUMPY but no array")
    assert ("note", "Arrays left out: broken, unused.") in check(tmp_path / "d.npz")


@pytest.mark.usefixtures("little_room")
def test_rows_that_parquet_repeats_are_counted_before_they_are_read(tmp_path: Path) -> None:
    query = "SELECT 1.0 AS a, (range % 2)::BIGINT AS label FROM range(10000000)"
    duckdb.execute(f"COPY ({query}) TO '{tmp_path / 'd.parquet'}' (FORMAT parquet, COMPRESSION zstd)")
    with pytest.raises(UserError, match="which unpacks to .* GiB or more"):
        check(tmp_path / "d.parquet")


@pytest.mark.usefixtures("little_room")
def test_pixels_are_counted_before_they_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "LEAST_PIXELS", 2**12)
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.new("L", (2000, 2000)).save(tmp_path / name / "0.png")
    with pytest.raises(UserError, match="2000×2000 pixels in"):
        check(tmp_path)


def test_tables_with_too_many_cells_are_refused_before_they_are_taken_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv, "MOST_CELLS", 50)
    (tmp_path / "d.csv").write_text("a,b,y\n" + "1,2,u\n2,3,v\n" * 10)
    with pytest.raises(UserError, match="Save large tables as Parquet or NPZ"):
        check(tmp_path / "d.csv")


@pytest.mark.parametrize(
    "content", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n", b"%PDF-1.4\n", b"8BPS\0\1"]
)
def test_images_that_would_start_other_programs_are_not_read(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subprocess.Popen", lambda *a, **k: pytest.fail("a program was started"))
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(content)
    with pytest.raises(UserError, match="an image that cannot be read"):
        check(tmp_path)


def test_a_damaged_tiff_is_an_image_that_cannot_be_read(tmp_path: Path) -> None:
    entries = [(256, 5, 1, 8), (257, 5, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    content = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + directory + bytes(4)
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.tiff").write_bytes(content)
    with pytest.raises(UserError, match="cannot be read"):
        from_path(tmp_path).load()


def test_a_text_of_a_png_is_no_bomb(tmp_path: Path) -> None:
    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0))
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**27)))
    pixels = chunk(b"IDAT", zlib.compress(bytes(20)))
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(
            b"\x89PNG\r\n\x1a\n" + head + text + pixels + chunk(b"IEND", b"")
        )
    with pytest.raises(UserError, match="cannot be read"):
        from_path(tmp_path).load()
