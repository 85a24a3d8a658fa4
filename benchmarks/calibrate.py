"""How often are intervals and rules wrong? Writes docs/calibration.md, and exits with 1 if a bar is missed.

    python benchmarks/calibrate.py [--repetitions 2000]

Every setting is repeated with scores made from a known truth (`ticketlab.laws.calibration`), on all cores.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from ticketlab.laws.calibration import Rates, Setting, rates, settings, truth, wrong
from ticketlab.laws.verdict import Outcome

PAGE = Path(__file__).parents[1] / "docs" / "calibration.md"
WRONG, COVERED, TOO_WIDE, MANY = 0.05, 0.935, 0.98, 10


def run(job: tuple[Setting, np.random.SeedSequence, int]) -> Rates:
    setting, stream, repetitions = job
    return rates(setting, repetitions, np.random.Generator(np.random.PCG64(stream)))


def missed(found: Rates) -> list[str]:
    """Which bars a setting misses."""
    says = []
    if wrong(found) > WRONG:
        says.append(f"wrong in {wrong(found):.1%}")
    if found.coverage < COVERED:
        says.append(f"covers {found.coverage:.1%}")
    if found.setting.seeds >= 5 and found.discordant >= MANY and found.coverage > TOO_WIDE:
        says.append(f"too wide: covers {found.coverage:.1%}")
    return says


def page(every: list[Rates], repetitions: int) -> str:
    short = [(f.setting, said) for f in every if (said := missed(f))]
    lines = [
        "---",
        "orphan: true",
        "---",
        "# Calibration of the intervals and rules",
        "",
        "This page is written by `make calibrate`. Scores of two methods are made from a known truth, by the model in",
        f"`ticketlab.laws.calibration`, and the rules decide about them, {repetitions} times for each setting.",
        "The margin is one point. A verdict is wrong if it says *holds* on or outside the boundary of what it claims, or *fails*",
        "on or inside it. The interval is the printed 95 % one.",
        "",
        f"Bars: wrong verdicts in at most {WRONG:.0%}; coverage at least {COVERED:.1%}, and at most {TOO_WIDE:.0%} from five",
        f"seeds on where at least {MANY} examples disagree. Settings that miss a bar: {len(short)} of {len(every)}.",
        "",
        *(f"- {setting}: {'; '.join(said)}" for setting, said in short),
        *([""] if short else []),
        "Each row is the worst of its settings: accuracies of 50, 90 and 98.5 %, differences of 0, ±½, ±1 and 1½ margins where",
        "they exist, with and without spread between seeds. Width is the mean half-width over that of an ideal interval.",
        "",
        "| Seeds | Examples | Disagreements | Wrong | Coverage, least | Coverage, most | Width, median |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *rows(every),
        "",
        "Power: how often two methods that are truly equal are found equal within one point.",
        "",
        "| Seeds | Examples | Accuracy | No spread | Spread .15 | Difficulty shared to .9 |",
        "| --- | --- | --- | --- | --- | --- |",
        *power(every),
    ]
    return "\n".join(lines) + "\n"


def rows(every: list[Rates]) -> Iterable[str]:
    def group(found: Rates) -> tuple[int, int, str]:
        s = found.setting
        return s.seeds, s.examples, "rare, one-sided" if s.rare else "ordinary"

    for key, found in itertools.groupby(sorted(every, key=group), key=group):
        of = list(found)
        cover = [f.coverage for f in of]
        width = np.median([f.width for f in of])
        yield (
            f"| {key[0]} | {key[1]} | {key[2]} | {max(map(wrong, of)):.1%} | {min(cover):.1%} | {max(cover):.1%} | {width:.2f} |"
        )


def power(every: list[Rates]) -> Iterable[str]:
    equal = [f for f in every if truth(f.setting) == 0 and not f.setting.rare]

    def group(found: Rates) -> tuple[int, int, float]:
        return found.setting.seeds, found.setting.examples, found.setting.accuracy

    for key, found in itertools.groupby(sorted(equal, key=group), key=group):
        kind = {(f.setting.shared, f.setting.spread): f.outcomes["equal"][Outcome.HOLDS] for f in found}
        cells = " | ".join(f"{kind[k]:.0%}" for k in ((0.5, 0.0), (0.5, 0.15), (0.9, 0.0)))
        yield f"| {key[0]} | {key[1]} | {key[2]:.1%} | {cells} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=2000)
    repetitions = parser.parse_args().repetitions
    every = list(settings())
    streams = np.random.SeedSequence(0).spawn(len(every))
    jobs = [(setting, stream, repetitions) for setting, stream in zip(every, streams, strict=True)]
    found = []
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for number, one in enumerate(pool.map(run, jobs), 1):
            found.append(one)
            print(f"\r{number} of {len(jobs)} settings", end="", flush=True)
    print()
    PAGE.write_text(page(found, repetitions), encoding="utf-8")
    short = [one for one in found if missed(one)]
    for one in short:
        print(f"{one.setting}: {'; '.join(missed(one))}")
    print(f"{PAGE}: {len(short)} of {len(found)} settings miss a bar")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
