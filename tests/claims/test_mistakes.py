"""Every kind of bad option and bad file, on the real study: exit code 2, what was got and expected, what to do, no traceback."""

import re
import struct

import numpy as np
import pytest

from ticketlab.cli import main

X, Y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 3
CSV = "a,b,label\n" + "".join(f"{i},{i * i % 7},{'cat' if i % 2 else 'dog'}\n" for i in range(60))


def idx(array):
    return (
        struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
        + array.astype(np.uint8).tobytes()
    )


def truncated_idx(folder):
    (folder / "digits-idx").mkdir()
    (folder / "digits-idx/train-images-idx3-ubyte").write_bytes(idx(np.zeros((60, 4, 4)))[:-7])
    (folder / "digits-idx/train-labels-idx1-ubyte").write_bytes(idx(Y))


def wrong_magic(folder):
    truncated_idx(folder)
    (folder / "digits-idx/train-images-idx3-ubyte").write_bytes(b"\x89PNG" + bytes(99))


def npz(**arrays):
    return lambda folder: np.savez(folder / "data.npz", **arrays)


def truncated_npz(folder):
    npz(x=X, y=Y)(folder)
    path = folder / "data.npz"
    path.write_bytes(path.read_bytes()[:-60])


def truncated_parquet(folder):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "data.parquet"
    pq.write_table(pa.table({"a": X[:, 0], "b": X[:, 1], "label": Y}), path)
    path.write_bytes(path.read_bytes()[:-20])


def csv(text):
    return lambda folder: (folder / "data.csv").write_text(text)


FILES = {
    "truncated IDX": (truncated_idx, "./digits-idx", "a truncated file"),
    "wrong magic": (wrong_magic, "./digits-idx", "magic number of IDX"),
    "truncated NPZ": (truncated_npz, "data.npz", "data.npz"),
    "truncated Parquet": (truncated_parquet, "data.parquet", "a truncated file"),
    "NaN": (csv(CSV + "1,nan,cat\n"), "data.csv", "1 missing cell in column 'b'"),
    "ragged": (csv(CSV + "1,2\n"), "data.csv", "1 ragged row"),
    "one class only": (npz(x=X, y=Y * 0), "data.npz", "one class only"),
    "a missing answer": (csv(CSV + "1,2,NA\n"), "data.csv", "1 missing value of target 'label'"),
    "equal inputs": (npz(x=X * 0, y=Y), "data.npz", "60 examples with the same inputs"),
    "fewer labels than examples": (npz(x=X, y=Y[:-1]), "data.npz", "59 labels for 60 examples"),
    "fewer examples than classes": (npz(x=X[:2], y=Y[:2]), "data.npz", "which has 2 examples"),
    "too few of a class for three parts": (
        npz(x=X, y=np.where(np.arange(60) < 2, 2, Y % 2)),
        "data.npz",
        "with every class",
    ),
    "no such file": (lambda folder: None, "data.csv", "no file or folder"),
}
OPTIONS = {
    "too many seeds": (["--seeds", "2147483647"], "seeds=2147483647; expected at most 1000000"),
    "claim": (["run", "tangent-minimun"], "Did you mean 'tangent-minimum'?"),
    "option": (["--sedes", "3"], "Perhaps you meant: --seeds"),
    "task": (["--task", "digit"], "Did you mean 'digits'?"),
    "network": (["--network", "lenet-3"], "network 'lenet-3'"),
    "loss": (["--losses", "hinge"], "'hinge'"),
    "no seeds": (["--seeds", "0"], "seeds=0; expected at least 1"),
    "margin": (["--margin", "2"], "margin=2.0; expected a fraction between 0 and 1"),
    "unequal budgets": (["--ridges", "0.1", "0.2", "--step-sizes", "1"], "2 ridges and 1 step sizes"),
    "a ridge of 0": (["--ridges", "0", "--step-sizes", "1"], "different positive numbers"),
    "a candidate twice": (["--ridges", "1", "1", "--step-sizes", "1", "2"], "different positive numbers"),
    "momentum": (["--momentum", "1"], "momentum=1.0; expected at least 0 and below 1"),
    "epochs": (["--epochs", "0"], "epochs=0; expected at least 1"),
    "tolerance": (["--tolerance", "0"], "tolerance=0.0; expected a number between 0 and 1"),
    "a loss twice": (["--losses", "square", "square"], "each once"),
    "too many examples": (["--task", "digits:train=5000"], "train=5000"),
    "a network too deep for the images": (
        ["--network", "lenet5", "--task", "digits:train=60"],
        "shrunk to 4 × 4 pixels",
    ),
    "a network over the batch": (
        ["--network", "resnet:channels=2,normalisation=batch", "--task", "digits:train=60"],
        "a function of each example alone",
    ),
    "out is a file": (["--out", "taken"], "taken, which is a file"),
}


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Runs a command that must be refused, and gives what it said."""
    monkeypatch.chdir(tmp_path)

    def refused(words):
        assert main(words) == 2
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert not list(tmp_path.glob("runs/*/cells/[!.]*"))
        return " ".join(re.sub(r"[╭╮╰╯│─]", " ", err).split())

    return refused


@pytest.mark.parametrize("kind", FILES)
def test_bad_files(tmp_path, refused, kind):
    make, name, words = FILES[kind]
    make(tmp_path)
    said = refused(["run", "tangent-minimum", "--task", name])
    assert words in said
    assert re.search(r"got .+; expected .+\. .+", said), "got, expected, and what to do"


@pytest.mark.parametrize("kind", OPTIONS)
def test_bad_options(tmp_path, refused, kind):
    (tmp_path / "taken").write_text("mine")
    words, phrase = OPTIONS[kind]
    assert phrase in refused(words if words[0] == "run" else ["run", "tangent-minimum", *words])
    assert (tmp_path / "taken").read_text() == "mine"


def test_the_same_mistakes_in_a_plan_file(tmp_path, refused):
    for line, words in (("seeds = 0", "seeds"), ("sedes = 3", "seeds"), ("margin = 2.0", "between 0 and 1")):
        (tmp_path / "plan.toml").write_text(f'claim = "tangent-minimum"\n{line}\n')
        assert words in refused(["run", "plan.toml"])


def test_a_file_that_has_changed_is_read_again(tmp_path):
    """Within one process too, as in a notebook."""
    from ticketlab.claims.start import drawn_task
    from ticketlab.tasks.sources import Npz

    source = Npz(path=str(tmp_path / "data.npz"))
    npz(x=X, y=Y)(tmp_path)
    before = drawn_task(source, 0)
    npz(x=X, y=1 - Y % 2)(tmp_path)
    assert (before.outputs, drawn_task(source, 0).outputs) == (3, 2)
