"""The documentation is true: its Python runs, its commands are understood, its links lead somewhere, its versions agree.

Every page is found by glob. The `python` blocks of a page run in order in one namespace and in a folder of their own, so a
page reads from top to bottom.
"""

import importlib.util
import re
import shlex
import tomllib
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

import ticketlab
from ticketlab.cli import main

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(p for p in ROOT.glob("docs/**/*.md") if "_build" not in p.parts)])
FENCE = re.compile(r"^```(?P<language>[^\n`]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
LONG = (
    "subnetworks.md",
    "is-my-network-linear.md",
    "the-whole-argument-on-my-data.md",
    "your-machines.md",
    "choosing-a-ticket.md",
    "function-space.md",
    "units.md",
)
"""Pages whose Python takes longest."""
OPTIONAL = ("torch", "flax", "equinox")  # libraries of extras that pages use
LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its code, and the line of the page on which the code begins."""

    language: str
    code: str
    line: int


def blocks(page: Path, language: str) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = [
        Block(m["language"], m["code"], text.count("\n", 0, m.start()) + 2) for m in FENCE.finditer(text)
    ]
    return [b for b in found if b.language == language]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def sections(page: Path) -> list[list[Block]]:
    """The Python of each part of a page under a heading of the second level; a tutorial is one part, which tells one story."""
    if page.parent.name == "tutorials":
        return [blocks(page, "python")]
    starts = [m.start() for m in re.finditer(r"^## ", page.read_text(encoding="utf-8"), re.MULTILINE)]
    lines = [page.read_text(encoding="utf-8").count("\n", 0, at) for at in starts]
    parts: dict[int, list[Block]] = {}
    for block in blocks(page, "python"):
        parts.setdefault(sum(line < block.line for line in lines), []).append(block)
    return list(parts.values())


def missing(part: list[Block]) -> list[str]:
    """The optional libraries that a part imports and that are not installed."""
    code = "\n".join(block.code for block in part)
    used = [n for n in OPTIONAL if re.search(rf"^(?:import|from) {n}\b", code, re.MULTILINE)]
    return [n for n in used if importlib.util.find_spec(n) is None]


@pytest.fixture(scope="module", autouse=True)
def fewer_lanes():
    """Pages train one to three networks, often for hundreds of steps. What fills up a program takes as long as they do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ticketlab.training.memory._MOST_LANES", 4)
        yield


@pytest.mark.filterwarnings("ignore::FutureWarning:torch.*", "ignore::FutureWarning:copyreg")
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(p, marks=pytest.mark.slow if p.name in LONG else (), id=name(p))
        for p in PAGES
        if blocks(p, "python")
    ],
)
def test_python_runs(page, tmp_path, monkeypatch):
    """A section that imports an optional library is left out where that is missing."""
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    runs = [part for part in sections(page) if not missing(part)]
    if not runs:
        pytest.skip(f"needs {sorted({n for part in sections(page) for n in missing(part)})}")
    for block in (block for part in runs for block in part):
        # Blank lines before the code give tracebacks the page's own line numbers.
        exec(compile("\n" * (block.line - 1) + block.code, str(page), "exec"), namespace)


def commands(page: Path) -> list[str]:
    """What a reader types after `$ ticketlab`."""
    code = "".join(block.code for block in blocks(page, "console"))
    return re.findall(r"^\$ ticketlab (.+)$", code, re.MULTILINE)


@pytest.fixture
def readers_files(tmp_path, monkeypatch):
    """The reader's own data, as the pages name them."""
    for folder in ("my-images", "path/to/my-images"):
        for label in ("cat", "dog"):
            (tmp_path / folder / label).mkdir(parents=True)
    for name in ("path/to/data", "first-half", "second-half"):
        (tmp_path / f"{name}.npz").write_bytes(b"PK\x03\x04")
    (tmp_path / "birds.csv").write_text("length,species\n1.5,wren\n2.5,robin\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("page", [p for p in PAGES if commands(p)], ids=name)
@pytest.mark.usefixtures("readers_files")
def test_commands_are_understood(page, monkeypatch, capsys):
    """Read to the end by the real command line, where nothing is then run or checked; plans are printed into their files."""
    monkeypatch.setattr("ticketlab.cli.running.run_request", lambda request, devices, runner: {})
    monkeypatch.setattr("ticketlab.cli.spread.Spread.runner", lambda self: nullcontext())
    monkeypatch.setattr("ticketlab.cli.spread.Spread.found", lambda self: None)
    monkeypatch.setattr("ticketlab.tasks.check", lambda path: [])
    for reads in ("_data_notes", "write_start"):
        monkeypatch.setattr(f"ticketlab.cli.pretrain.{reads}", lambda asked: [])
    monkeypatch.setattr("ticketlab.cli.compare.lay_out", lambda runs, page, studies: 0)
    for line in commands(page):
        typed, _, file = line.partition(" > ")
        code = main(shlex.split(typed))
        printed = capsys.readouterr()
        assert code == 0, f"ticketlab {line}: {printed.err}"
        if file:
            Path(file).write_text(printed.out, encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = [m["target"].partition("#") for m in LINK.finditer(prose)]
    local = [(path, anchor) for path, _, anchor in targets if "://" not in path]
    assert [path for path, _ in local if path and not (page.parent / path).exists()] == []
    for path, anchor in local:
        target = page.parent / path if path else page
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), (
                f"{name(page)}: no heading #{anchor} in {name(target.resolve())}"
            )


def anchors(page: Path) -> set[str]:
    """The headings' anchors as GitHub and MyST make them."""
    headings = re.findall(r"^#{1,6} (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def prose(page: Path) -> list[str]:
    """The lines that a person wraps: no code, formulas, tables, pictures, or links that fill a line."""
    text = re.sub(
        r"^\$\$.*?^\$\$", "", FENCE.sub("", page.read_text(encoding="utf-8")), flags=re.MULTILINE | re.DOTALL
    )
    return [line for line in text.splitlines() if not re.match(r"\||!\[|\s*(?:[-*] )?\[?\S*\]\(\S+$", line)]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_lines_fit_a_screen(page):
    assert [line for line in prose(page) if len(line) > 120] == []


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "CHANGELOG.md"], ids=name)
def test_paragraphs_are_short(page):
    """At most five lines; an item of a list is a paragraph, and so is an entry of the glossary."""
    paragraphs = re.split(r"\n(?:\s*\n|(?=\s*(?:[-*]|\d+\.) ))", "\n".join(prose(page)))
    assert [p for p in paragraphs if p.count("\n") >= 5 + p.startswith(":::")] == []


def test_versions_agree():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == ticketlab.__version__
    assert f"## [{ticketlab.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {re.split(r"[\[<>=]", d)[0] for group in groups for d in group} - {"ticketlab"}
    reasons = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    assert {n for n in names if n not in reasons} == set()


def test_every_extra_that_is_offered_is_used():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8").partition("## Extras")[2]
    offered = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert offered <= set(project["optional-dependencies"])
    code = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "src").rglob("*.py"))
    for extra in offered - {"gpu", "dev"}:  # these are a device and tools
        for needed in project["optional-dependencies"][extra]:
            package = re.split(r"[\[<>=]", needed)[0].replace("-", "_")
            used = rf"^\s*(?:import|from) {package}\b"
            if package == "cryptography":  # Dask imports it, to make keys
                used = r"Security\.temporary\("
            assert re.search(used, code, re.MULTILINE), (extra, package)
