import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketlab.errors import UserError
from ticketlab.evidence.tables import Column, Table
from ticketlab.store.tables import Damaged, read_table, write_table

rows = st.lists(
    st.tuples(
        st.floats(allow_nan=False),
        st.integers(-(2**63), 2**63 - 1),
        st.booleans(),
        st.text(st.characters(exclude_categories=["Cs"])).map(lambda s: s.rstrip("\0")),
    ),
    max_size=20,
)


def same(one: Table, two: Table) -> bool:
    assert [(c.name, c.unit, c.meaning, c.values.dtype.kind) for c in one.columns] == [
        (c.name, c.unit, c.meaning, c.values.dtype.kind) for c in two.columns
    ]
    bits = [
        (a.values.tolist() == b.values.tolist())
        if a.values.dtype.kind == "U"
        else (a.values.tobytes() == b.values.tobytes() and a.values.dtype == b.values.dtype)
        for a, b in zip(one.columns, two.columns, strict=True)
    ]
    return all(bits) and one.measured == two.measured and one.name == two.name


@given(rows, st.booleans())
def test_every_bit_comes_back(tmp_path_factory, rows, measured):
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    types = (np.float64, np.int64, np.bool_, np.str_)
    names = ("K", "k", 'a "quoted", name', "λ")
    table = Table(
        "arms",
        tuple(
            Column(name, np.array(values, kind), f"unit of {name}", f"meaning of {name}")
            for name, values, kind in zip(names, columns, types, strict=True)
        ),
        measured,
    )
    folder = tmp_path_factory.mktemp("it's a folder")
    read = read_table("arms", write_table(table, folder), folder)
    assert same(read, table)
    assert read.digest() == table.digest()


def test_a_nan_comes_back_as_the_one_quiet_nan(tmp_path):
    odd = np.frombuffer(struct.pack("<Q", 0xFFF8000000000123))
    table = Table("t", (Column("x", np.concatenate([odd, [-0.0, np.inf, -np.inf, 5e-324]])),))
    read = read_table("t", write_table(table, tmp_path), tmp_path)
    assert np.array_equal(read["x"], table["x"], equal_nan=True)
    assert np.signbit(read["x"][1])
    again = tmp_path / "again"
    again.mkdir()
    assert read_table("t", write_table(read, again), again).digest() == read.digest()


def test_a_table_without_columns_is_kept_too(tmp_path):
    empty = Table.from_rows("none", [])
    assert same(read_table("none", write_table(empty, tmp_path), tmp_path), empty)


def test_rows_stay_in_order(tmp_path):
    table = Table("t", (Column("i", np.arange(300_000)[::-1].copy()),))
    assert same(read_table("t", write_table(table, tmp_path), tmp_path), table)


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
def test_a_damaged_file_is_noticed(tmp_path, damage):
    table = Table("t", (Column("x", np.arange(5.0)),))
    record = write_table(table, tmp_path)
    file = tmp_path / "t.parquet"
    content = bytearray(file.read_bytes())
    match damage:
        case "truncate":
            file.write_bytes(content[:-10])
        case "flip":
            content[20] ^= 1
            file.write_bytes(content)
        case "remove":
            file.unlink()
    with pytest.raises(Damaged, match=r"t\.parquet"):
        read_table("t", record, tmp_path)


def test_types_that_would_change_are_refused(tmp_path):
    for values in (np.zeros(2, np.float32), np.zeros(2, np.int32), np.zeros(2, object)):
        with pytest.raises(TypeError, match="'x' of 't'"):
            write_table(Table("t", (Column("x", values),)), tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="file size limits are POSIX")
def test_a_full_disk_is_explained(tmp_path):
    code = f"""
import resource
from pathlib import Path
import numpy as np
from ticketlab.errors import UserError
from ticketlab.store.tables import write_table
from ticketlab.evidence.tables import Column, Table
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_table(Table("t", (Column("x", np.random.default_rng(0).normal(size=9000)),)), Path({str(tmp_path)!r}))
except UserError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "too large while writing to" in done.stdout
    assert "Free some space" in done.stdout
    assert "Finished cells are kept" in done.stdout


def test_a_missing_folder_is_explained(tmp_path):
    with pytest.raises(UserError, match="failure to write"):
        write_table(Table("t", (Column("x", np.arange(5.0)),)), tmp_path / "none")
