"""Files as people have them: what other programs leave, read with the right values or refused with their place."""

from __future__ import annotations

import gzip
import struct
import warnings
import zipfile
from pathlib import Path

import duckdb
import numpy as np
import pytest
from PIL import Image

from ticketlab.cli import main
from ticketlab.errors import UserError
from ticketlab.tasks import Csv, Idx, Npz, Parquet, from_path
from ticketlab.tasks.dataset import Dataset
from ticketlab.tasks.formats.images import image_folder

X = np.random.default_rng(0).normal(size=(12, 2)).round(3)
Y = np.arange(12) % 3


def table(folder: Path, text: str, name: str = "t.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def with_target(folder: Path, cells: list[str], name: str = "y") -> Path:
    rows = "".join(f'{i * 0.5},"{cell}"\n' for i, cell in enumerate(cells))
    return table(folder, f"a,{name}\n{rows}")


def pictures(folder: Path, places: dict[str, int], mode: str = "L") -> Path:
    shade = 0
    for place, count in places.items():
        (folder / place).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            Image.new(mode, (2, 2), shade := shade + 1).save(folder / place / f"{i}.png")
    return folder


# Text tables ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["NA", "?", "nan", "null", "None", "-", "N/A", "#N/A", "<NA>"])
@pytest.mark.parametrize("others", [["low", "high"], ["1.5", "-0.3"], ["0", "1"]])
def test_marks_of_missing_values_are_no_class(tmp_path: Path, mark: str, others: list[str]) -> None:
    path = with_target(tmp_path, [*others * 2, mark, *others])
    for kind in (None, "regression"):
        with pytest.raises(
            UserError, match=r"1 missing value of target 'y' .*, the first \('.*'\) on line 6"
        ):
            Csv(path=str(path), kind=kind).load()
    assert mark in Csv(path=str(path), kind="classification").load().classes


@pytest.mark.parametrize("odd", ["10,335", "12 kg", "1_000"])
def test_a_few_words_among_numbers_are_refused(tmp_path: Path, odd: str) -> None:
    path = with_target(tmp_path, ["1.5", "2.5", odd, "0.5"])
    with pytest.raises(UserError, match=rf"1 non-numeric cell of target 'y' .*'{odd}'\) on line 4"):
        Csv(path=str(path)).load()
    assert odd in Csv(path=str(path), kind="classification").load().classes


def test_numbers_with_thousands_separators_are_no_classes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"9 non-numeric cells of target 'price' .*'10,335'"):
        Csv(path=str(with_target(tmp_path, ["10,335", "10,646", "1,264"] * 3, "price"))).load()


def test_underscores_make_no_numbers(tmp_path: Path) -> None:
    path = with_target(tmp_path, ["1_11", "11_1", "2_4"] * 3)
    assert Csv(path=str(path)).load().classes == ("11_1", "1_11", "2_4")
    with pytest.raises(UserError, match=r"2 non-numeric cells in column 'code' .*'1_2'"):
        Csv(path=str(table(tmp_path, "code,y\n1_2,a\n1_3,b\n"))).load()


def test_words_true_and_false_are_one_and_zero(tmp_path: Path) -> None:
    data = Csv(path=str(table(tmp_path, "red,blue,y\nTrue,FALSE,a\nFalse,TRUE,b\n"))).load()
    np.testing.assert_array_equal(data.x, [[1, 0], [0, 1]])


ROWS = [[f"{a:.3f}", f"{b:.3f}", f"{c}"] for (a, b), c in zip(X, Y, strict=True)]


def lines(separator: str, first: str = "", comma: bool = False) -> str:
    text = "".join(separator.join(row) + "\n" for row in ROWS)
    return first + (text.replace(".", ",") if comma else text)


@pytest.mark.parametrize(
    ("text", "features", "note"),
    [
        (
            lines(";", '"length, total, cm";"width, cm, max";label\n'),
            ("length, total, cm", "width, cm, max"),
            "",
        ),
        (lines(";", "a;b;label\n", comma=True), ("a", "b"), "decimal points"),
        (lines(";", comma=True), ("column0", "column1"), "decimal points"),
        (lines("\t", "a\tb\tlabel\n", comma=True), ("a", "b"), "decimal points"),
        ("".join("   " + "   ".join(row) + " \n" for row in ROWS), ("column0", "column1"), "by spaces"),
        ("".join(" \t".join(row) + "\n" for row in ROWS), ("column0", "column1"), "first line"),
        (lines("|", "a|b|label\n"), ("a", "b"), "by bars"),
        (lines(",", "0,1,2\n"), ("0", "1"), "counts the columns"),
        (lines(",", "1,2,3\n"), ("1", "2"), "counts the columns"),
        (lines(",", "400,500,label\n"), ("400", "500"), "whole numbers"),
    ],
)
def test_separators_and_first_rows(tmp_path: Path, text: str, features: tuple[str, ...], note: str) -> None:
    data = Csv(path=str(table(tmp_path, text))).load()
    np.testing.assert_array_equal(data.x, X)
    np.testing.assert_array_equal(data.labels, Y)
    assert data.features == features
    assert note in " ".join(data.notes)


def test_a_first_row_that_is_like_the_others_is_an_example(tmp_path: Path) -> None:
    data = Csv(
        path=str(table(tmp_path, "5.1,3.5,setosa\n4.9,3.0,setosa\n7.0,3.2,virginica\n", "iris.data"))
    ).load()
    assert data.x.tolist() == [[5.1, 3.5], [4.9, 3.0], [7.0, 3.2]]
    assert "the first line (5.1, 3.5, setosa) is read as an example" in data.notes[0]
    table(tmp_path, "5.1,3.5,1.4\n4.9,3.0,2\n", "row.csv")
    assert len(Csv(path=str(tmp_path / "row.csv")).load()) == 2


def test_commas_that_separate_thousands_or_decimals_are_not_guessed(tmp_path: Path) -> None:
    for text in ("a;y\n1,234;u\n5,678;v\n", "a;y\n1.234,5;u\n2,5;v\n", "a;b;y\n1,25;0.5;u\n2,5;0.5;v\n"):
        with pytest.raises(UserError, match=r"non-numeric cells? in column 'a'"):
            Csv(path=str(table(tmp_path, text))).load()


@pytest.mark.parametrize("first", ["", '""', "Unnamed: 0", "Id", "index", "__index_level_0__"])
@pytest.mark.parametrize("start", [0, 1])
def test_row_numbers_are_no_input(tmp_path: Path, first: str, start: int) -> None:
    rows = "".join(f"{i + start},{0.5 * i},{'ab'[i % 2]}\n" for i in range(6))
    data = Csv(path=str(table(tmp_path, f"{first},size,y\n{rows}"))).load()
    assert data.features == ("size",)
    assert "is left out: it numbers the rows" in data.notes[0]


def test_numbers_of_drawn_rows_are_no_input_and_a_column_that_counts_is_named(tmp_path: Path) -> None:
    rows = "".join(f"{7 * i % 13},{i + 1},{i / 2},{'ab'[i % 2]}\n" for i in range(9))
    data = Csv(path=str(table(tmp_path, f",week,size,y\n{rows}"))).load()
    assert data.features == ("week", "size")
    assert "Column 'week' counts the rows" in data.notes[1]


def test_row_numbers_in_parquet_are_no_input(tmp_path: Path) -> None:
    query = "SELECT random() AS a, (range % 2)::BIGINT AS label, range AS __index_level_0__ FROM range(9)"
    duckdb.execute(f"COPY ({query}) TO '{tmp_path / 't.parquet'}' (FORMAT parquet)")
    data = Parquet(path=str(tmp_path / "t.parquet")).load()
    assert data.features == ("a",)
    assert any("'__index_level_0__' is left out" in note for note in data.notes)


@pytest.mark.parametrize("name", ["Class", "LABEL", "Target", "Y"])
def test_a_usual_target_is_found_in_any_case_and_place(tmp_path: Path, name: str) -> None:
    data = Csv(path=str(table(tmp_path, f"{name},a,visits\n" + "0,1.5,3\n1,2.5,4\n" * 6))).load()
    assert data.target == name
    assert ("target", repr(name)) in data.summary()


def test_a_target_that_is_guessed_is_named(tmp_path: Path) -> None:
    notes = Csv(path=str(table(tmp_path, "Outcome,a,visits\n" + "0,1.5,3\n1,2.5,4\n" * 6))).load().notes
    assert "The last column, 'visits', is taken for the target." in notes


def test_check_takes_the_words_of_a_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path, "id,diagnosis,a\n" + "84,B,1.5\n91,M,2.5\n80,B,0.5\n" * 6, "wdbc.csv")
    assert main(["data", "check", f"{path}:target=diagnosis"]) == 0
    shown = capsys.readouterr().out
    assert "'diagnosis'" in shown
    assert "B: 12, M: 6" in shown
    assert main(["data", "check", str(path)]) == 2
    assert "name the column to predict, target=" in capsys.readouterr().err


# Archives -------------------------------------------------------------------------------------------------------------


def test_arrays_of_parts_are_used_and_others_named(tmp_path: Path) -> None:
    arrays = {
        f"{part}_{what}": a for part in ("train", "val", "test") for what, a in (("images", X), ("labels", Y))
    }
    np.savez(tmp_path / "med.npz", **arrays, weights=X)
    for source in (
        Npz(path=str(tmp_path / "med.npz")),
        Npz(path=str(tmp_path / "med.npz"), x="train_images"),
    ):
        data = source.load()
        assert (len(data), data.official_test, data.target) == (36, 12, "train_labels")
        assert data.notes == (
            "val_images and val_labels are pooled with train_images and train_labels.",
            "Arrays left out: weights.",
        )


def test_test_inputs_without_answers_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", x_train=X, y_train=Y, x_test=X)
    data = Npz(path=str(tmp_path / "t.npz")).load()
    assert (len(data), data.official_test) == (12, 0)
    assert data.notes == ("Arrays left out: x_test.",)


def test_unequal_parts_do_not_make_up_for_each_other(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", x_train=X, y_train=Y[:11], x_test=X[:5], y_test=Y[:6])
    with pytest.raises(UserError, match="11 answers in y_train for 12 examples in x_train"):
        Npz(path=str(tmp_path / "t.npz")).load()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (["[Content_Types].xml", "xl/workbook.xml"], "a spreadsheet: save it as CSV"),
        (["table.csv"], "a zip archive: unpack it"),
        (["archive/data.pkl", "archive/version"], "weights of PyTorch"),
        (["x", "y"], r"in it: x, y"),
    ],
)
def test_other_archives_are_named(tmp_path: Path, members: list[str], message: str) -> None:
    with zipfile.ZipFile(tmp_path / "book", "w") as archive:
        for member in members:
            archive.writestr(member, "text")
    with pytest.raises(UserError, match=message):
        from_path(tmp_path / "book").load()


def test_suffixes_in_any_case(tmp_path: Path) -> None:
    assert isinstance(from_path(table(tmp_path, "a,y\n1,2\n", "LOG0001.CSV")), Csv)
    (tmp_path / "folder").mkdir()
    query = "SELECT random() AS a, (range % 2)::BIGINT AS label FROM range(9)"
    duckdb.execute(f"COPY ({query}) TO '{tmp_path / 'folder' / 'TRAIN.PARQUET'}' (FORMAT parquet)")
    assert len(from_path(tmp_path / "folder").load()) == 9


def test_letters_are_numbered_from_one(tmp_path: Path) -> None:
    images, labels = np.arange(12 * 4, dtype=np.uint8).reshape(12, 2, 2), (Y + 1).astype(np.uint8)
    for what, array, axes in (("images", images, 3), ("labels", labels, 1)):
        content = struct.pack(f">4B{axes}I", 0, 0, 8, axes, *array.shape) + array.tobytes()
        (tmp_path / f"emnist-letters-train-{what}-idx{axes}-ubyte.gz").write_bytes(gzip.compress(content))
    data = Idx(path=str(tmp_path)).load()
    assert data.classes == ("1", "2", "3")
    np.testing.assert_array_equal(data.labels, Y)
    assert "1, 2, 3, is read as 3 classes" in data.notes[0]


# Images ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "count", "test", "note"),
    [
        (
            {"train/ant": 3, "train/bee": 3, "val/ant": 2, "val/bee": 2},
            10,
            0,
            "Folders train and val are pooled.",
        ),
        (
            {f"{part}/{c}": 2 for part in ("train", "valid", "test") for c in "ab"},
            12,
            4,
            "Folders train and valid are pooled.",
        ),
        ({f"{part}/{c}": 2 for part in ("Training", "Testing") for c in "ab"}, 8, 4, ""),
        (
            {f"{part}/{c}": 2 for part in ("Train", "Test", "pred") for c in "ab"},
            8,
            4,
            "Folders left out: pred.",
        ),
        ({"train": 3, "test": 3}, 6, 0, ""),  # classes with these names
    ],
)
def test_folders_of_parts(tmp_path: Path, places: dict[str, int], count: int, test: int, note: str) -> None:
    data = from_path(pictures(tmp_path, places)).load()
    assert (len(data), data.official_test, len(data.classes)) == (count, test, 2)
    assert data.notes == ((note,) if note else ())


def test_parquet_in_folders_of_parts(tmp_path: Path) -> None:
    for part, rows in (("train", 9), ("validation", 4), ("test", 6)):
        (tmp_path / part).mkdir()
        query = f"SELECT random() AS a, (range % 2)::BIGINT AS label FROM range({rows})"
        duckdb.execute(f"COPY ({query}) TO '{tmp_path / part / '0000.parquet'}' (FORMAT parquet)")
    data = from_path(tmp_path).load()
    assert (len(data), data.official_test) == (19, 6)


@pytest.mark.parametrize("folder", ["a=9", "x[1]", "**", "{a,b}", "it's", "two\nlines"])
def test_names_of_folders_mean_nothing(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    query = "SELECT range / 2 AS a, (range % 2)::BIGINT AS label FROM range(9)"
    duckdb.execute(f"COPY ({query}) TO '{tmp_path / 't.parquet'}' (FORMAT parquet)")
    (tmp_path / "t.parquet").rename(tmp_path / folder / "t.parquet")
    data = from_path(tmp_path / folder).load()
    assert data.features == ("a",)
    np.testing.assert_array_equal(data.x[:, 0], np.arange(9) / 2)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_images_are_shown_on_white(tmp_path: Path, mode: str) -> None:
    shapes = np.random.default_rng(0).integers(0, 2, size=(8, 3, 3)).astype(np.uint8)
    shapes[:, 0, 0] = 0
    for i, shape in enumerate(shapes):
        (tmp_path / "ab"[i % 2]).mkdir(exist_ok=True)
        black = Image.new("RGBA", (3, 3), (0, 0, 0, 0))
        black.putalpha(Image.fromarray(255 * shape))
        black.convert(mode).save(tmp_path / "ab"[i % 2] / f"{i}.png")
    data = image_folder(tmp_path)
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    np.testing.assert_array_equal(data.x[..., 0], 255 * (1 - shapes[order]))
    assert "8 of 8 images have transparent pixels, which are shown on white." in data.notes


def test_equal_inputs_are_refused() -> None:
    with pytest.raises(UserError, match="6 examples with the same inputs"):
        Dataset("black", np.zeros((6, 2, 2, 1), np.uint8), ("a", "b"), np.array([0, 1] * 3))


def test_further_pages_and_hidden_folders_are_named(tmp_path: Path) -> None:
    pictures(tmp_path, {"a": 2, "b": 2, ".c": 1})
    pages = [Image.new("L", (2, 2), i) for i in range(3)]
    pages[0].save(tmp_path / "a" / "pages.tiff", save_all=True, append_images=pages[1:])
    assert image_folder(tmp_path).notes == (
        "Folders left out: .c.",
        "1 of 5 images have several frames or pages; the first is read.",
    )


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_infinite_halves_are_refused_and_finite_ones_read_without_warnings(bad: float) -> None:
    x = np.linspace(-60000, 60000, 12).astype(np.float16).reshape(6, 2)
    labels = np.array([0, 1] * 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Dataset("half", x, ("a", "b"), labels).summary()
        x[3, 1] = bad
        with pytest.raises(UserError, match=r"1 of 12 inputs that are NaN, infinite .* row 3"):
            Dataset("half", x, ("a", "b"), labels)


def test_images_in_subfolders_and_classes_with_underscores_are_read(tmp_path: Path) -> None:
    for i, place in enumerate(["__background__", "cup/more/deep", "cup", "__MACOSX"]):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2), i).save(tmp_path / place / "a.png")
    (tmp_path / "cup" / "round").symlink_to(tmp_path / "cup", target_is_directory=True)
    data = image_folder(tmp_path)
    assert data.classes == ("__background__", "cup")
    assert len(data) == 3
    assert any(note.startswith("Left out 1 file") for note in data.notes)


@pytest.mark.parametrize("side", [0, -3])
def test_a_side_of_no_pixels_is_the_sides_fault(tmp_path: Path, side: int) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.new("L", (2, 2)).save(tmp_path / name / "a.png")
    with pytest.raises(UserError, match=f"side={side}"):
        image_folder(tmp_path, side)
