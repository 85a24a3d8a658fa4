"""How often are intervals, rules and claims wrong? Writes docs/calibration.md, and exits with 1 if a bar is missed.

    python benchmarks/calibrate.py [--repetitions 2000] [--claim NAME ...] [--cores 2] [--minutes 30]

Every case of every claim (`ticketlab.claims.planted`) and of a single difference (`ticketlab.laws.calibration`) is planted and
decided many times, for each of its samples. What is done is kept in build/calibration, so a run that is interrupted goes on where
it was; results made by other code than today's are not used. A setting that misses a bar is repeated with three times as many
fresh repetitions, and one that misses it again with ten times as many; the last decide: among thousands of rates, some lie
beyond a bar by chance. With --claim the rows of these claims are exchanged in the page, and all others stay as they are.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import re
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before NumPy: one thread in every process

import numpy as np

from ticketlab.claims.planted import all_cases
from ticketlab.laws.calibration import (
    ENOUGH,
    LEAST,
    MOST,
    RARE,
    WRONG,
    Case,
    Kind,
    Rates,
    Sample,
    difference_cases,
    missed,
    repeated,
)
from ticketlab.laws.verdict import Outcome

ROOT = Path(__file__).parents[1]
PAGE, KEPT = ROOT / "docs" / "calibration.md", ROOT / "build" / "calibration"
AGAIN = (3, 10)  # times as many repetitions for a setting that misses a bar once, and twice
DIFFERENCE = "a difference of scores"
KINDS = (
    {"accuracy": 0.9, "shared": 0.5},
    {"accuracy": 0.5, "shared": 0.5, "spread": 0.15},
    {"accuracy": 0.99, "shared": 0.9},
    {"accuracy": 0.9, "shared": 0.0, "spread": 0.15, "pool": 2.0},
)
SAMPLES = (
    *(Sample(seeds, 100, **kind) for seeds in (2, 3, 5, 10) for kind in KINDS[::2]),
    *(Sample(seeds, 400, **kind) for seeds in (2, 3, 5, 10) for kind in KINDS[:3]),
    *(Sample(seeds, 2000, **kind) for seeds, kind in zip((2, 3, 5), KINDS[1:], strict=True)),
    *(Sample(seeds, 100, 0.9, **RARE) for seeds in (2, 3, 5, 10)),
    Sample(10, 400, 0.9, **RARE),
    Sample(5, 400, 0.9, 0.0),
    Sample(3, 10_000, 0.9, 0.5),
)


@dataclass(frozen=True)
class Result:
    """A case with one sample, and what came out.

    Arguments:
        again: whether it missed a bar at first, and the rates are of fresh repetitions.
    """

    case: Case
    sample: Sample
    rates: Rates
    again: bool


# --- running ---


@cache
def cases() -> dict[str, tuple[Case, ...]]:
    """By claim; those of a single difference come first."""
    found: dict[str, tuple[Case, ...]] = {DIFFERENCE: difference_cases(SAMPLES)}
    for of_folder in all_cases().values():
        for case in of_folder:
            found[case.claim] = (*found.get(case.claim, ()), case)
    return found


Job = tuple[str, int, int]
"""A claim, the number of a case and that of one of its samples."""


def run(job: Job, repetitions: int, until: float) -> tuple[Rates, bool] | None:
    """A setting's rates, and whether they are of fresh repetitions; from what is kept, or anew while there is time."""
    claim, number, at = job
    case = cases()[claim][number]
    sample = case.samples[at]
    file = KEPT / f"{identity(case, sample, repetitions)}.json"
    if not file.exists():
        if time.time() > until:
            return None
        rates, again = measured(case, sample, repetitions)
        KEPT.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps({"rates": asdict(rates), "again": again}), encoding="utf-8")
        aside.rename(file)
    kept = json.loads(file.read_text(encoding="utf-8"))
    outcomes = {Outcome(name): share for name, share in kept["rates"].pop("outcomes").items()}
    return Rates(outcomes, **kept["rates"]), kept["again"]


def measured(case: Case, sample: Sample, repetitions: int) -> tuple[Rates, bool]:
    streams = np.random.SeedSequence(int(identity(case, sample, 0), 16)).spawn(1 + len(AGAIN))
    for times, stream in zip((1, *AGAIN), streams, strict=True):
        rates = repeated(case, sample, times * repetitions, np.random.Generator(np.random.PCG64(stream)))
        if not missed(case, sample, rates):
            break
    return rates, times > 1


def identity(case: Case, sample: Sample, repetitions: int) -> str:
    """Of a setting and, where repetitions are counted, of the code that decides it; without them, that of its random numbers."""
    of = [case.claim, case.kind.name, case.name, repr(sample)]
    if repetitions:
        of += [str(repetitions), code(getattr(case.plant, "func", case.plant).__module__)]
    return hashlib.sha256("|".join(of).encode()).hexdigest()[:24]


@cache
def code(module: str) -> str:
    """A digest of the syntax, without documentation, of a module and of all that it imports from the package."""
    left, trees = [module], {}
    while left:
        name = left.pop()
        file = ROOT / "src" / f"{name.replace('.', '/')}.py"
        if name in trees or not file.exists():
            continue
        trees[name] = tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ticketlab"):
                left += [str(node.module), *(f"{node.module}.{each.name}" for each in node.names)]
    digest = hashlib.sha256()
    for _, tree in sorted(trees.items()):
        digest.update(ast.dump(without_documentation(tree)).encode())
    return digest.hexdigest()


def without_documentation(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [e for e in body if not (isinstance(e, ast.Expr) and isinstance(e.value, ast.Constant))]
            node.body = kept
    return tree


# --- the page ---

OUTCOMES, INTERVALS = (
    "| Claim | Planted | Settings",
    "| Claim | Seeds | Settings",
)  # tables, by how they begin
DIFFERENCES = "| Seeds | Examples | Wrong, worst"

MARKS = ("#", "|", "- ")  # of what is not wrapped
PAGE_TEXT = """\
# Calibration

The formulae of {claims} claims were each asked {repetitions} times about tables made from a known truth, in {settings}
settings. {left}The highest rate of a wrong verdict is {worst:.1%}, and 95 % intervals cover the truth in at least
{covered:.1%}. {bars} With few seeds, or few test examples, most verdicts are *undecided*; the tables of power
say how much is needed.

`make calibrate` writes this page. Its bars: *holds* and *fails* are each wrong in at most {wrong:.0%}. Coverage is at
least {least:.1%} everywhere, and at most {most:.0%} from five seeds on where at least {enough} discordant pairs are
expected in a seed. A setting that misses a bar is repeated with {fresh} fresh repetitions, and one that misses
it again with {most_fresh}; the last decide. {again} settings were repeated.

A pair of scores is discordant if it differs from the usual pair. Where two methods mostly agree, these are their
disagreements. A method that hardly errs differs from guessing on nearly all examples; then its errors are what is
discordant.

{misses}## What each claim says

Rates are means over the settings of a row, and *worst* is the highest rate of a wrong verdict in one of them. On a
boundary both *holds* and *fails* are wrong. Where nothing was learnt, or a gate is closed, everything but *undecided*
is.

| Claim | Planted | Settings | Holds | Fails | Undecided | Worst |
| --- | --- | --- | --- | --- | --- | --- |
{outcomes}

## Intervals

Coverage is that of every question's printed 95 % interval. Width is the mean half-width over 1.96 standard deviations
of the estimate, the median over questions and settings. It is large with few seeds: where they differ, Student's factor
is 12.7 for two of them and 4.3 for three. A barrier, and the minimum of a flow, are bracketed by two estimates, and so
wide on purpose.

| Claim | Seeds | Settings | Coverage, least | Coverage, most | Width |
| --- | --- | --- | --- | --- | --- |
{intervals}

## One difference of scores

Two methods are compared at a margin of one point, without a claim around them.

| Seeds | Examples | Wrong, worst | Coverage, least | Coverage, most | Width |
| --- | --- | --- | --- | --- | --- |
{differences}

How often two methods that are truly equal are found equal within one point, by their accuracy:

| Seeds | Examples | 90 % | 50 %, seeds differ | 99 %, difficulty shared | 90 %, other examples in each seed |
| --- | --- | --- | --- | --- | --- |
{power}

## Power of the claims

How often a claim that is true by half a margin is found to hold, and one that is false by half a margin to fail.

| Claim | Planted | Seeds | Examples | Accuracy | Right |
| --- | --- | --- | --- | --- | --- |
{claim_power}

## What is planted

Scores come from a latent difficulty of every example. ρ is its share that seeds have in common, σ the spread of seeds
on the probit scale, and methods correlate by .8. In *rare* samples methods disagree in one direction only, on the same
examples in every seed. Numbers that seeds give have logarithms with the spread σ. Times are heavy-tailed (Student's t
with three degrees of freedom) and end with training. Lines between networks wander by chance, with a bump and without.

Not the whole product of seeds, examples, accuracies and kinds of chance is run. A claim's first boundary is crossed with
all of its samples, the point where all boundaries meet with every second, and other boundaries with every third. What is
true or false by half a margin is run with two samples, and what was not measured with one. `multi-prize` asks the
questions of `untrained-subnetwork` twice, and has every third sample.

| Seeds | Examples | Accuracy | ρ | σ | Test examples of the seeds |
| --- | --- | --- | --- | --- | --- |
{samples}

| Claim | Class | What is planted |
| --- | --- | --- |
{cases}
"""


def page(results: Sequence[Result], planned: int, repetitions: int) -> str:
    short = [r for r in results if missed(r.case, r.sample, r.rates)]
    text = PAGE_TEXT.format(
        claims=len({r.case.claim for r in results} - {DIFFERENCE}),
        repetitions=f"{repetitions:,}".replace(",", " "),
        settings=len(results) if len(results) == planned else f"{len(results)} of {planned}",
        left=""
        if len(results) == planned
        else "The others were not reached: `make calibrate` goes on with them. ",
        worst=max(wrong(r) for r in results),
        covered=min(c for r in results for c in r.rates.coverage.values()),
        bars=f"Settings that miss a bar: {len(short)}, listed below." if short else "They meet every bar.",
        wrong=WRONG,
        least=LEAST,
        most=MOST,
        enough=ENOUGH,
        fresh=f"{AGAIN[0] * repetitions:,}".replace(",", " "),
        most_fresh=f"{AGAIN[1] * repetitions:,}".replace(",", " "),
        again=sum(r.again for r in results),
        misses="".join(f"{line}\n" for line in misses(short)),
        outcomes="\n".join(outcome_rows(results)),
        intervals="\n".join(interval_rows(results)),
        differences="\n".join(difference_rows(results)),
        power="\n".join(power_rows(results)),
        claim_power="\n".join(claim_power_rows(results)),
        samples="\n".join(sample_rows(results)),
        cases="\n".join(case_rows(results)),
    )
    paragraphs = spaced(text).split("\n\n")
    return "\n\n".join(p if p.startswith(MARKS) else textwrap.fill(p, 120) for p in paragraphs) + "\n"


def spaced(text: str) -> str:
    """Percentages with a space before the sign, as everywhere in the docs."""
    return re.sub(r"(\d)%", r"\1 %", text)


def wrong(result: Result) -> float:
    return max(result.rates.outcomes[outcome] for outcome in result.case.kind.wrong)


def with_rows_of(results: Sequence[Result], text: str) -> str:
    """The page with the rows of some claims exchanged; its first paragraph is about the rows that it has then."""
    claims, before = {r.case.claim for r in results}, _settings(text)
    for heading, rows in (
        (OUTCOMES, outcome_rows),
        (INTERVALS, interval_rows),
        ("| Claim | Planted | Seeds", claim_power_rows),
        ("| Claim | Class", case_rows),
    ):
        lines, (first, last) = text.splitlines(), _place(text, heading)
        kept = [line for line in lines[first:last] if _cells(line)[0] not in claims]
        lines[first:last] = sorted([*kept, *map(spaced, rows(results))], key=lambda line: _cells(line)[0])
        text = "\n".join(lines) + "\n"
    title, paragraph, others = text.split("\n\n", 2)
    paragraph = paragraph.replace("\n", " ")
    settings = int(re.search(r"in (\d+) settings", paragraph)[1]) + _settings(text) - before
    worst = max(_rates(text, OUTCOMES, -1) + _rates(text, DIFFERENCES, 2))
    covered = min(_rates(text, INTERVALS, 3) + _rates(text, DIFFERENCES, 3))
    for pattern, words in {
        r"in \d+ settings": f"in {settings} settings",
        r"verdict is [\d.]+ %": f"verdict is {worst} %",
        r"at least [\d.]+ %": f"at least {covered} %",
    }.items():
        paragraph = re.sub(pattern, words, paragraph, count=1)
    return "\n\n".join([title, textwrap.fill(paragraph, 120), others])


def _place(text: str, heading: str) -> tuple[int, int]:
    """The lines of a table's rows: the first, and the one after the last."""
    lines = text.splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith(heading)) + 2
    return first, next(
        at for at in range(first, len(lines) + 1) if not "".join(lines[at : at + 1]).startswith("|")
    )


def _rates(text: str, heading: str, column: int) -> list[float]:
    first, last = _place(text, heading)
    return [float(_cells(line)[column].split()[0]) for line in text.splitlines()[first:last]]


def _settings(text: str) -> int:
    return round(sum(_rates(text, OUTCOMES, 2)))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def misses(short: Sequence[Result]) -> Iterable[str]:
    for r in short:
        said = "; ".join(missed(r.case, r.sample, r.rates))
        line = f"- {r.case.claim}, {r.case.name} ({words(r.sample)}): {said}"
        yield textwrap.fill(line, 118, subsequent_indent="  ")
    if short:
        yield ""


def words(sample: Sample) -> str:
    of = (f"{sample.seeds} seeds", f"{sample.examples} examples", f"accuracy {sample.accuracy:.0%}")
    return ", ".join([*of, f"ρ {sample.shared:g}", f"σ {sample.spread:g}"])


def grouped(results: Iterable[Result], by: Callable[[Result], tuple]) -> dict[tuple, list[Result]]:
    found: dict[tuple, list[Result]] = {}
    for result in results:
        found.setdefault(by(result), []).append(result)
    return found


def outcome_rows(results: Sequence[Result]) -> Iterable[str]:
    order = list(Kind)
    of_claims = [r for r in results if r.case.claim != DIFFERENCE]
    groups = grouped(of_claims, lambda r: (r.case.claim, order.index(r.case.kind)))
    for (claim, kind), of in sorted(groups.items()):
        rates = [np.mean([r.rates.outcomes[o] for r in of]) for o in Outcome]
        each = " | ".join(f"{rate:.1%}" for rate in rates)
        yield f"| {claim} | {order[kind]} | {len(of)} | {each} | {max(map(wrong, of)):.1%} |"


def interval_rows(results: Sequence[Result]) -> Iterable[str]:
    for (claim, seeds), of in sorted(grouped(results, lambda r: (r.case.claim, r.sample.seeds)).items()):
        if coverage := [c for r in of for c in r.rates.coverage.values()]:
            width = np.median([w for r in of for w in r.rates.width.values()])
            yield f"| {claim} | {seeds} | {len(of)} | {min(coverage):.1%} | {max(coverage):.1%} | {width:.2f} |"


def difference_rows(results: Sequence[Result]) -> Iterable[str]:
    of_difference = [r for r in results if r.case.claim == DIFFERENCE]
    groups = grouped(of_difference, lambda r: (r.sample.seeds, r.sample.examples, r.sample.rare))
    for (seeds, examples, rare), of in sorted(groups.items()):
        coverage = [c for r in of for c in r.rates.coverage.values()]
        width = np.median([w for r in of for w in r.rates.width.values()] or [np.nan])
        yield (
            f"| {seeds} | {examples}{', rare' if rare else ''} | {max(map(wrong, of)):.1%} | {min(coverage):.1%} | "
            f"{max(coverage):.1%} | {width:.2f} |"
        )


def power_rows(results: Sequence[Result]) -> Iterable[str]:
    equal = [
        r
        for r in results
        if r.case.claim == DIFFERENCE and r.case.name == "no difference" and not r.sample.rare
    ]
    for (seeds, examples), of in sorted(
        grouped(equal, lambda r: (r.sample.seeds, r.sample.examples)).items()
    ):
        found = {r.sample: f"{r.rates.outcomes[Outcome.HOLDS]:.0%}" for r in of}
        cells = " | ".join(found.get(Sample(seeds, examples, **kind), "") for kind in KINDS)
        if cells.strip(" |"):
            yield f"| {seeds} | {examples} | {cells} |"


def claim_power_rows(results: Sequence[Result]) -> Iterable[str]:
    for r in sorted(results, key=lambda r: r.case.claim):
        right = {Kind.INSIDE: Outcome.HOLDS, Kind.OUTSIDE: Outcome.FAILS}.get(r.case.kind)
        if right is not None and r.case.claim != DIFFERENCE:
            s = r.sample
            examples = f"{s.examples} | {s.accuracy:.0%}" if s.examples else " | "
            yield f"| {r.case.claim} | {r.case.name} | {s.seeds} | {examples} | {right} in {r.rates.outcomes[right]:.0%} |"


def sample_rows(results: Sequence[Result]) -> Iterable[str]:
    used = {r.sample for r in results if r.sample.examples}
    for s in sorted(used, key=lambda s: (s.seeds, s.examples, s.accuracy, s.shared, s.spread, s.correlation)):
        drawn = "of twice as many" if s.pool > 1 else "rare, one-sided" if s.rare else "shared"
        yield f"| {s.seeds} | {s.examples} | {s.accuracy:.0%} | {s.shared:g} | {s.spread:g} | {drawn} |"


def case_rows(results: Sequence[Result]) -> Iterable[str]:
    for claim, kind, name in dict.fromkeys((r.case.claim, r.case.kind, r.case.name) for r in results):
        yield f"| {claim} | {kind} | {name} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--claim", nargs="+", help="only these; their rows of the page are exchanged")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="then what is done goes into the page"
    )
    options = parser.parse_args()
    jobs = [
        (claim, number, at)
        for claim, of in cases().items()
        for number, case in enumerate(of)
        for at in range(len(case.samples))
        if options.claim is None or claim in options.claim
    ]
    jobs.sort(key=lambda job: (job[2], job[1]))  # so that every case is soon seen once
    found: dict[Job, Result] = {}
    began = time.time()
    with ProcessPoolExecutor(options.cores) as pool:
        until = began + 60 * options.minutes
        tasks = {pool.submit(run, job, options.repetitions, until): job for job in jobs}
        for task in as_completed(tasks):
            claim, number, at = tasks[task]
            if (came := task.result()) is None:
                continue
            case = cases()[claim][number]
            found[claim, number, at] = result = Result(case, case.samples[at], *came)
            for said in missed(case, result.sample, result.rates):
                print(f"{claim}, {case.name} ({words(result.sample)}): {said}", flush=True)
            done = f"{len(found)} of {len(jobs)} settings, {time.time() - began:.0f} s"
            print(done, file=sys.stderr, flush=True)
    results = [found[job] for job in jobs if job in found]
    short = [r for r in results if missed(r.case, r.sample, r.rates)]
    if options.claim is None:
        PAGE.write_text(page(results, len(jobs), options.repetitions), encoding="utf-8")
    elif len(results) == len(jobs):
        PAGE.write_text(with_rows_of(results, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{len(short)} of {len(results)} settings miss a bar, {len(jobs) - len(results)} were not reached")
    return 1 if short or len(results) < len(jobs) else 0


if __name__ == "__main__":
    sys.exit(main())
