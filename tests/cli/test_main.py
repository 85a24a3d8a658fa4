import io
import json
import os
import re
import sys
import tomllib

import numpy as np
import pytest
from toy_study import Toy, ToyPlan

import ticketlab
from ticketlab.cli import main
from ticketlab.networks.architectures import MLP
from ticketlab.plans import read_plan
from ticketlab.store import default_place
from ticketlab.tasks.sources import Boolean

STUDIES = {"toy": "toy_study:Toy"}
RUN = ["run", "toy", "--task", "boolean:3", "--seeds", "2"]
PLACE = default_place("toy", ToyPlan(task=Boolean(bits=3), seeds=2))
pytestmark = pytest.mark.usefixtures("workplace")


def flat(text):
    """Text without tyro's boxes and line ends."""
    return " ".join(re.sub(r"[╭╮╰╯│─]", " ", text).split())


class TestEndings:
    def test_help_and_version(self, ask):
        for words in ([], ["--help"], ["-h"]):
            code, out, err = ask(*words)
            assert (code, err) == (0, "")
            assert "ticketlab COMMAND" in out
            assert "exit codes: 0 done" in out
        assert ask("--version") == (0, f"{ticketlab.__version__}\n", "")

    def test_an_unknown_command(self, ask):
        code, out, err = ask("rum")
        assert (code, out) == (2, "")
        assert err.startswith(
            "ticketlab: got the command 'rum'; expected one of run, claims, plan, report, data, lab, sweep, compare, register, "
            "pretrain."
        )
        assert "Did you mean 'run'?" in err

    def test_done(self, ask):
        code, out, err = ask(*RUN)
        assert (code, err) == (0, "")
        assert re.search(r"\[\d+:\d\d\] plus, seed 0", out)  # by the clock, which a busy machine moves
        assert "plus: holds." in out
        assert "The claim as a whole: holds. Random numbers were averaged." in out
        assert f"report    {PLACE / 'report.html'}" in out
        assert f"again     ticketlab run {PLACE / 'plan.toml'} --out {PLACE}" in out
        assert re.search(r"evidence  [0-9a-f]{64}\n", out)
        assert (PLACE / "report.html").read_text() == "page"

    @pytest.mark.parametrize(
        ("kind", "code", "said"),
        [
            (
                "numerical",
                3,
                "ticketlab: numerical failure: the residual is 1e-3, not 1e-8: take a larger ridge",
            ),
            ("interrupt", 130, "ticketlab: interrupted"),
            ("user", 2, "ticketlab: got a toy mistake; expected none."),
        ],
    )
    def test_trouble_midway_keeps_what_is_finished(self, ask, monkeypatch, kind, code, said):
        monkeypatch.setenv("TOY_TROUBLE", f"{kind}:plus-seed1")
        found, out, err = ask(*RUN)
        assert (found, err) == (code, said + "\n")
        assert "Traceback" not in out + err
        if kind != "user":
            assert (
                f"1 finished cell kept. Continue from there: ticketlab run {PLACE / 'plan.toml'} --out {PLACE}"
                in out
            )
        kept = list((PLACE / "cells").iterdir())
        assert [p.name.split("-")[1] for p in kept] == ["seed0"]
        before = kept[0].stat().st_mtime_ns

        monkeypatch.delenv("TOY_TROUBLE")
        _, out, _ = ask("run", str(PLACE / "plan.toml"), "--out", str(PLACE))
        assert "1 of 4 cells will be reused from an earlier run." in out
        assert kept[0].stat().st_mtime_ns == before
        resumed = re.search("evidence  ([0-9a-f]+)", out)[1]
        _, out, _ = ask(*RUN, "--out", "fresh")
        assert re.search("evidence  ([0-9a-f]+)", out)[1] == resumed

    def test_a_lack_of_memory_is_named(self, ask, monkeypatch):
        from jax.errors import JaxRuntimeError

        for error in (
            MemoryError(),
            JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes.\nmore"),
        ):

            def run(self, plan, cell, progress, devices, error=error):
                raise error

            monkeypatch.setattr(Toy, "run", run)
            code, _, err = ask(*RUN)
            assert code == 3
            assert "out of memory; choose a smaller network" in err

    @pytest.mark.parametrize("words", [RUN, ["report", "closed"], ["compare", "closed", "x"]])
    def test_a_place_that_is_closed_to_the_user_is_no_fault(self, ask, monkeypatch, words):
        def closed(*_):
            raise PermissionError(13, "Permission denied", "closed/plan.toml")

        for place in ("store.folder.restore_plan", "store.folder.claim_of", "cli.compare.restore_plan"):
            monkeypatch.setattr(f"ticketlab.{place}", closed)
        code, _, err = ask(*words)
        assert code == 2
        assert err.endswith(
            "got no permission for closed/plan.toml; expected a file or folder that you may read and write. "
            "Give another path.\n"
        )

    @pytest.mark.parametrize(
        "words", [["plan", "toy", "--task", "csv:path=bär.csv"], [*RUN, "--json", "--out", "bär.csv"]]
    )
    def test_files_and_records_for_machines_are_in_utf8(self, monkeypatch, words):
        out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        monkeypatch.setattr(sys, "stdout", out)
        assert main(words, STUDIES) == 0
        out.flush()
        assert '"bär.csv"' in out.buffer.getvalue().decode("utf-8")

    def test_a_name_that_is_not_utf8_is_refused(self, ask):
        code, out, err = ask("run", "toy", "--out", os.fsdecode(b"b\xe4r"))
        assert (code, out) == (2, "")
        assert err.startswith("ticketlab: got the name 'b\\udce4r'; expected names in UTF-8.")

    def test_a_working_folder_that_is_not_utf8_is_refused(self, ask, monkeypatch, tmp_path):
        odd = tmp_path / os.fsdecode(b"b\xe4r")
        odd.mkdir()
        monkeypatch.chdir(odd)
        code, out, err = ask("run", "toy")
        assert (code, out) == (2, "")
        assert err.startswith("ticketlab: got the name '")
        assert "b\\udce4r'; expected names in UTF-8." in err
        assert ask("--version")[0] == 0

    def test_a_working_folder_that_was_removed_is_said(self, ask, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        tmp_path.rmdir()
        code, out, err = ask("run", "toy")
        assert (code, out) == (2, "")
        assert err.startswith("ticketlab: got a working folder that was removed; expected one that exists.")

    def test_data_that_do_not_fit_into_memory_are_no_fault(self, ask):
        code, out, err = ask("data", "check", "markov:examples=1000000000000")
        assert (code, out) == (3, "")
        assert err.startswith("ticketlab: numerical failure: out of memory; choose a smaller network, task")

    def test_a_reader_that_has_had_enough(self, monkeypatch):
        class Closed(io.StringIO):
            def write(self, text):
                raise BrokenPipeError

            def fileno(self):
                return write_end

        read_end, write_end = os.pipe()
        os.close(read_end)
        monkeypatch.setattr(sys, "stdout", Closed())
        assert main(["--help"], STUDIES) == 141
        os.close(write_end)


class TestRunOptions:
    def test_options_presets_and_files_make_the_same_plan(self, ask, workplace):
        words = [
            "--task",
            "boolean:3",
            "--network",
            "mlp:8",
            "--law",
            "uniform:low=-2",
            "--signs",
            "minus",
            "--margin",
            "1",
        ]
        code, out, _ = ask("plan", "toy", "--preset", "quick", *words, "--budget.draws", "7")
        assert code == 0
        (workplace / "plan.toml").write_text(out, encoding="utf-8")
        claim, plan = read_plan(workplace / "plan.toml", STUDIES)
        assert (claim, plan.seeds, plan.network, plan.budget.draws) == ("toy", 1, MLP(widths=(8,)), 7)

        _, first, _ = ask(
            "run", "toy", "--json", "--preset", "quick", *words, "--budget.draws", "7", "--out", "a"
        )
        _, second, _ = ask("run", "plan.toml", "--json", "--out", "b")
        one, two = json.loads(first), json.loads(second)
        assert one["digest"] == two["digest"]
        assert one["plan"] == two["plan"]
        assert (workplace / "a" / "plan.toml").read_bytes() == (workplace / "b" / "plan.toml").read_bytes()
        assert {p.name for p in (workplace / "a" / "cells").iterdir()} == {
            p.name for p in (workplace / "b" / "cells").iterdir()
        }

    def test_options_change_a_plan_file(self, ask, workplace):
        (workplace / "plan.toml").write_text('claim = "toy"\nseeds = 9\ntask = "boolean:3"\n')
        _, out, _ = ask("plan", "plan.toml", "--seeds", "2")
        assert tomllib.loads(out)["seeds"] == 2
        assert tomllib.loads(out)["task"]["bits"] == 3

    def test_two_plans_of_a_claim_are_not_put_into_one_folder(self, ask, workplace):
        for name, margin in (("a", 0.5), ("b", 0.01)):
            (workplace / f"{name}.toml").write_text(f'claim = "toy"\nmargin = {margin}\ntask = "boolean:3"\n')
        code, out, err = ask("run", "a.toml", "b.toml", "--out", "both")
        assert (code, out) == (2, "")
        assert "got --out both for 2 plans of toy; expected a folder for each plan" in err

    def test_no_claim_means_all_of_them(self, ask, workplace):
        studies = {"toy": "toy_study:Toy", "other": "toy_study:Other"}
        code, out, _ = ask(
            "run", "--json", "--task", "boolean:3", "--seeds", "1", "--out", "both", studies=studies
        )
        assert code == 0
        assert [r["folder"] for r in json.loads(out)] == [
            str(PLACE.parent.parent / "both" / c) for c in studies
        ]

    def test_json_is_one_document_and_the_rest_goes_to_the_error_stream(self, ask):
        code, out, err = ask(*RUN, "--json")
        result = json.loads(out)
        assert code == 0
        assert (result["claim"], result["outcome"]) == ("toy", "holds")
        assert [v["question"] for v in result["verdicts"]] == ["", "plus", "minus"]
        assert result["verdicts"][1]["interval"][0] < result["verdicts"][1]["effect"]
        assert result["plan"]["task"] == {
            "choice": "boolean",
            **{"train": None, "validation": None, "test": None, "bits": 3, "target": "majority"},
            **{"ones": None, "leaves": None, "complexity": None, "draw": 0, "zero": -1},
        }
        assert (result["folder"], result["report"]) == (str(PLACE), str(PLACE / "report.html"))
        assert re.fullmatch("[0-9a-f]{64}", result["digest"])
        assert "plus: holds." in err

    def test_help_names_every_option_with_meaning_and_default(self, ask):
        code, out, err = ask("run", "toy", "--help")
        assert (code, err) == (0, "")
        text = flat(out)
        for words in (
            "Is the mean of random numbers zero?",
            "--seeds INT how many times. (default: 3)",
            "--network mlp | lenet-300-100",
            "not used either. (default: mlp)",
            "--preset {default,quick}",
            "--out {None}|PATH the run folder; by default runs/<claim>-<task>-<plan>",
            "--budget.draws INT numbers a seed. (default: 20)",
        ):
            assert words in text

    def test_a_preset_shows_its_values(self, ask):
        assert "(default: 1)" in ask("run", "toy", "--preset", "quick", "--help")[1]

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["toi"], ["claim 'toi'", "one of toy", "Did you mean 'toy'?"]),
            (["--seeds", "2", "toi"], ["claim 'toi'"]),
            (["none.toml"], ["the plan none.toml, which cannot be read"]),
            (["toy", "--sedes", "3"], ["Unrecognized options: --sedes", "Perhaps you meant: --seeds"]),
            (["toy", "--seeds", "many"], ["--seeds", "many"]),
            (["toy", "--seeds", "2.5"], ["--seeds", "2.5"]),
            (["toy", "--seeds", "0"], ["seeds = 0", "at least 1"]),
            (["toy", "--seeds"], ["--seeds"]),
            (["toy", "--preset", "slow"], ["'slow'", "--preset", "'default', 'quick'"]),
            (["toy", "--signs", "pluss"], ["'pluss'", "'plus', 'minus'"]),
            (["toy", "--task", "digit"], ["task 'digit'", "Did you mean 'digits'?"]),
            (["toy", "--task", "none.npz"], ["no file or folder", "none.npz"]),
            (["toy", "--network", "mlp:depth=3"], ["unknown name 'depth' in network mlp", "widths"]),
            (["toy", "--network", "mlp:0"], ["0 units"]),
            (["toy", "--law", "normal"], ["'normal'", "gaussian, uniform"]),
            (["toy", "--task", "boolean:3", "--out", "taken"], ["taken, which is a file"]),
        ],
    )
    def test_mistakes_exit_with_2_and_say_what_is_right(self, ask, workplace, words, said):
        (workplace / "taken").write_text("mine")
        code, out, err = ask("run", *words)
        assert code == 2
        assert "Traceback" not in err
        for phrase in said:
            assert phrase in flat(err)
        assert "evidence" not in out

    def test_a_bad_data_file_is_found_before_anything_runs(self, ask, workplace):
        np.savez(workplace / "bad.npz", x=np.full((10, 3), np.nan), y=np.arange(10) % 2)
        code, out, err = ask("run", "toy", "--task", "bad.npz")
        assert code == 2
        assert "NaN" in err
        assert "done in" not in out

    def test_a_folder_in_use_is_refused(self, ask):
        from ticketlab.store.lock import only_process

        PLACE.mkdir(parents=True)
        with only_process(PLACE):
            code, _, err = ask(*RUN)
        assert code == 2
        assert "one process at a time" in err


class TestOtherCommands:
    def test_claims(self, ask):
        code, out, _ = ask("claims")
        assert code == 0
        assert "Random numbers have mean zero." in out
        assert out.splitlines()[1].startswith("toy ")
        assert not any(line.endswith(" ") for line in out.splitlines())

    def test_plan(self, ask):
        code, out, err = ask("plan", "toy")
        assert (code, err) == (0, "")
        assert tomllib.loads(out)["claim"] == "toy"
        assert ask("plan", "toi")[0] == 2
        code, _, err = ask("plan", studies={**STUDIES, "other": "toy_study:Other"})
        assert code == 2
        assert "got 2 claims; expected one" in err

    @pytest.mark.parametrize("words", [("--out", "plan.toml"), ("--json",), ("--jobs", "2")])
    def test_a_plan_has_no_options_of_a_run(self, ask, words):
        code, out, err = ask("plan", "toy", *words)
        assert (code, out) == (2, "")
        assert f"Unrecognized options: {words[0]}" in flat(err)
        assert words[0] not in ask("plan", "toy", "--help")[1]

    def test_report_is_written_again_from_what_is_stored(self, ask, monkeypatch):
        ask(*RUN)
        (PLACE / "report.html").unlink()
        monkeypatch.setattr(Toy, "run", None)
        monkeypatch.setattr(Toy, "conclude", None)
        assert ask("report", str(PLACE)) == (0, f"{PLACE / 'report.html'}\n", "")
        assert (PLACE / "report.html").exists()

    @pytest.mark.parametrize(
        ("words", "said"), [(["none"], "holds no plan.toml"), ([], "RUN"), (["a", "b"], "b")]
    )
    def test_report_mistakes(self, ask, words, said):
        code, _, err = ask("report", *words)
        assert code == 2
        assert said in flat(err)

    def test_the_report_of_an_unfinished_run_is_refused(self, ask, monkeypatch):
        monkeypatch.setenv("TOY_TROUBLE", "interrupt:plus-seed1")
        ask(*RUN)
        code, _, err = ask("report", str(PLACE))
        assert code == 2
        assert "not finished (1 cell is kept)" in err

    def test_data_list(self, ask):
        code, out, _ = ask("data", "list")
        assert code == 0
        assert ask("data") == (0, out, "")
        for name in ("digits", "boolean", "csv", "hub"):
            assert re.search(f"^{name} ", out, re.MULTILINE)

    def test_data_check(self, ask, workplace):
        np.savez(workplace / "good.npz", x=np.random.default_rng(0).normal(size=(40, 3)), y=np.arange(40) % 2)
        code, out, err = ask("data", "check", "good.npz")
        assert (code, err) == (0, "")
        assert "24 train, 8 validation, 8 test" in out

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["chek", "x"], "Did you mean 'check'?"),
            (["check"], "TASK"),
            (["check", "none.npz"], "no file or folder"),
            (["list", "more"], "more"),
        ],
    )
    def test_data_mistakes(self, ask, words, said):
        code, _, err = ask("data", *words)
        assert code == 2
        assert said in flat(err)

    def test_every_command_has_help(self, ask):
        for words in (
            ["claims"],
            ["plan", "toy"],
            ["report"],
            ["data"],
            ["data", "list"],
            ["data", "check"],
            ["run"],
        ):
            code, out, err = ask(*words, "--help")
            assert (code, err) == (0, ""), words
            assert "usage: ticketlab" in out
