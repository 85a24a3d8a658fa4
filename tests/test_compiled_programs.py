"""Where compiled programs are kept; that they are found again; and that no number depends on them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ticketlab import compiled_programs
from ticketlab.compiled_programs import cache_folder, keep_programs, shrink

# fmt: off
PLAN = ["tangent-minimum", "--task", "boolean:train=60,validation=28,test=40", "--network", "mlp:6", "--losses", "square",
        "--ridges", "0.01", "--step-sizes", "1", "--epochs", "1", "--doublings", "0", "--extensions", "0",
        "--seeds", "1", "--json"]
# fmt: on


@pytest.fixture
def without_jax(monkeypatch):
    """As at the start of a process, so that the settings of this one stay as they are."""
    monkeypatch.delitem(sys.modules, "jax", raising=False)


class TestTheFolder:
    def test_of_each_platform(self, monkeypatch, tmp_path):
        monkeypatch.setattr(Path, "home", lambda: tmp_path)
        assert cache_folder({}, "linux") == tmp_path / ".cache" / "ticketlab"
        assert cache_folder({}, "darwin") == tmp_path / "Library" / "Caches" / "ticketlab"
        assert cache_folder({}, "win32") == tmp_path / "AppData" / "Local" / "ticketlab" / "cache"
        shared = {"XDG_CACHE_HOME": str(tmp_path / "shared")}
        assert cache_folder(shared, "linux") == tmp_path / "shared" / "ticketlab"
        assert cache_folder({"XDG_CACHE_HOME": "relative"}, "linux") == tmp_path / ".cache" / "ticketlab"
        local = {"LOCALAPPDATA": str(tmp_path / "local")}
        assert cache_folder(local, "win32") == tmp_path / "local" / "ticketlab" / "cache"

    def test_the_users_own(self, tmp_path):
        given = {"TICKETLAB_CACHE": str(tmp_path), "XDG_CACHE_HOME": "/elsewhere"}
        assert {cache_folder(given, system) for system in ("linux", "darwin", "win32")} == {tmp_path}

    @pytest.mark.parametrize("word", ["off", "OFF", "0"])
    def test_none(self, word, without_jax):
        environment = {"TICKETLAB_CACHE": word}
        assert cache_folder(environment) is None
        assert keep_programs(environment) is None
        assert environment == {"TICKETLAB_CACHE": word}


@pytest.mark.usefixtures("without_jax")
class TestKeeping:
    def test_jax_is_told_where(self, tmp_path):
        environment = {"TICKETLAB_CACHE": str(tmp_path / "new" / "cache")}
        assert keep_programs(environment) is None
        (folder,) = (tmp_path / "new" / "cache").iterdir()
        assert environment["JAX_COMPILATION_CACHE_DIR"] == str(folder)
        assert list(folder.iterdir()) == []
        assert os.name != "posix" or folder.stat().st_mode & 0o077 == 0

    def test_each_number_of_threads_and_each_processor_has_its_own(self, tmp_path, monkeypatch):
        folders = set()
        for threads in ("1", "2"):
            for flags in ("flags : sse2", "flags : sse2 avx2"):
                (tmp_path / "cpuinfo").write_text(f"processor : 0\n{flags}\n")
                monkeypatch.setattr(compiled_programs, "_PROCESSOR", tmp_path / "cpuinfo")
                environment = {"TICKETLAB_CACHE": str(tmp_path / "cache"), "NPROC": threads}
                keep_programs(environment)
                folders.add(environment["JAX_COMPILATION_CACHE_DIR"])
        assert len(folders) == 4

    def test_what_the_user_has_told_jax_is_left(self, tmp_path):
        environment = {"JAX_COMPILATION_CACHE_DIR": "mine", "TICKETLAB_CACHE": str(tmp_path / "cache")}
        before = dict(environment)
        assert keep_programs(environment) is None
        assert environment == before
        assert not (tmp_path / "cache").exists()
        environment = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "7", "TICKETLAB_CACHE": str(tmp_path)}
        keep_programs(environment)
        assert environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] == "7"

    def test_a_folder_that_cannot_be_written_is_a_note(self, tmp_path):
        (tmp_path / "file").write_text("")
        environment = {"TICKETLAB_CACHE": str(tmp_path / "file")}
        note = keep_programs(environment)
        assert note.startswith(f"compiled programs cannot be kept in {tmp_path / 'file'} (")
        assert "Set TICKETLAB_CACHE=FOLDER to use another folder, TICKETLAB_CACHE=off to use none." in note
        assert set(environment) == {"TICKETLAB_CACHE"}

    def test_no_home_folder_is_a_note(self, monkeypatch):
        def homeless():
            raise RuntimeError("no home directory")

        monkeypatch.setattr(Path, "home", homeless)
        assert "cannot be kept (no home directory)" in keep_programs({})


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    folder = tmp_path / "programs-0"
    folder.mkdir()
    (tmp_path / "not ours").write_bytes(b"x" * 1000)
    for age, name in enumerate(("new", "old", "oldest")):
        (folder / name).write_bytes(b"x" * 100)
        os.utime(folder / name, (10**9 - age, 10**9 - age))
    shrink(tmp_path, 300)
    assert {path.name for path in folder.iterdir()} == {"new", "old", "oldest"}
    shrink(tmp_path, 299)
    assert {path.name for path in folder.iterdir()} == {"new", "old"}
    shrink(tmp_path, 0)
    assert list(folder.iterdir()) == []
    assert (tmp_path / "not ours").exists()


@pytest.mark.slow
def test_the_evidence_is_the_same_with_a_cold_cache_a_warm_one_and_none(tmp_path):
    """Three processes; a file in place of a folder represents one that cannot be written."""
    cache, file = tmp_path / "cache", tmp_path / "file"
    file.write_text("")
    kept = ("JAX_COMPILATION_CACHE", "JAX_PERSISTENT_CACHE")
    own = {name: value for name, value in os.environ.items() if not name.startswith(kept)}
    digests, notes, written = [], [], []
    for name, place in (("cold", cache), ("warm", cache), ("none", file)):
        done = subprocess.run(
            [sys.executable, "-m", "ticketlab", "run", *PLAN, "--out", str(tmp_path / name)],
            env=own | {"TICKETLAB_CACHE": str(place)},
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=True,
        )
        digests.append(json.loads(done.stdout)["digest"])
        notes.append("compiled programs cannot be kept" in done.stderr)
        written.append({path: path.stat().st_mtime_ns for path in cache.glob("*/*")})
    assert len(set(digests)) == 1
    assert notes == [False, False, True]
    assert len(written[0]) > 20
    assert written[0] == written[1] == written[2]  # the second run found everything
