from pathlib import Path

import pytest

from ticketlab.engine import threads
from ticketlab.engine.threads import POOLS, available_cores, limit_threads, thread_counts


def test_every_pool_gets_the_cores_there_are():
    environment = {}
    limit_threads(environment)
    assert environment == dict.fromkeys(POOLS, str(available_cores()))


def test_what_the_user_has_set_holds_for_all_and_is_not_changed():
    environment = {"OPENBLAS_NUM_THREADS": "3", "MKL_NUM_THREADS": "", "PATH": "x"}
    limit_threads(environment)
    assert environment["OPENBLAS_NUM_THREADS"] == environment["OMP_NUM_THREADS"] == "3"
    assert environment["MKL_NUM_THREADS"] == ""
    assert thread_counts(environment).keys() == set(POOLS)


def test_a_list_of_nested_counts_is_left_to_openmp():
    environment = {"OMP_NUM_THREADS": "4,2"}
    limit_threads(environment)
    assert environment["OMP_NUM_THREADS"] == "4,2"
    assert environment["OPENBLAS_NUM_THREADS"] == str(available_cores())


@pytest.mark.parametrize(("text", "cores"), [("50000 100000", 1), ("max 100000", None), ("", None)])
def test_a_containers_quota_counts(tmp_path, monkeypatch, text, cores):
    monkeypatch.setattr(threads, "_QUOTA", Path(tmp_path / "none"))
    without = available_cores()
    (tmp_path / "cpu.max").write_text(text)
    monkeypatch.setattr(threads, "_QUOTA", tmp_path / "cpu.max")
    assert available_cores() == (cores or without)
