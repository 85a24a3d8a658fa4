import json
import math

import pytest

from ticketlab.store.records import read_record, strict, write_record, write_text
from ticketlab.store.tables import Damaged


def test_a_record_comes_back_whole(tmp_path):
    file = tmp_path / "a.json"
    write_record(file, {"x": 0.1, "λ": [1, None, True, "…"], "bad": math.inf})
    assert read_record(file) == {"x": 0.1, "λ": [1, None, True, "…"], "bad": "inf"}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"x": 1, "sha256": "0"}'])
def test_what_is_not_a_whole_record_is_damaged(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(Damaged, match=r"a\.json"):
        read_record(tmp_path / "a.json")


def test_an_altered_record_is_damaged(tmp_path):
    file = tmp_path / "a.json"
    write_record(file, {"seconds": 1.0})
    file.write_text(file.read_text().replace("1.0", "2.0"))
    with pytest.raises(Damaged):
        read_record(file)
    with pytest.raises(Damaged):
        read_record(tmp_path / "none.json")


def test_infinities_become_words_that_float_reads():
    value = strict({"a": (math.nan, -math.inf, 1.0), "b": {"c": math.inf}})
    assert json.dumps(value, allow_nan=False)
    assert [math.isnan(float(value["a"][0])), float(value["a"][1]), float(value["b"]["c"])] == [
        True,
        -math.inf,
        math.inf,
    ]


def test_text_is_replaced_in_one_step(tmp_path):
    write_text(tmp_path / "a.txt", "one\n")
    write_text(tmp_path / "a.txt", "two\n")
    assert (tmp_path / "a.txt").read_bytes() == b"two\n"
