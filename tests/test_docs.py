"""The pages for teachers and contributors: links work, words are those of the notebooks."""

import re
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")


def rows(section: str) -> list[list[str]]:
    """The table of one section of the glossary, cell by cell."""
    text = GLOSSARY.split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


TERMS, SYMBOLS = rows("Terms"), rows("Notation")


def anchor(heading: str) -> str:
    """As GitHub makes it: "The ledger: why?" -> "the-ledger-why"."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def anchors(page: Path) -> set[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    return {anchor(heading) for heading in re.findall(r"^#+ (.*)$", text, re.M)}


@pytest.fixture(scope="module")
def prose() -> dict[str, str]:
    """Number of the notebook -> what it says outside code cells."""
    return {
        path.name: "\n\n".join(
            cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown"
        )
        for path in (ROOT / "notebooks").glob("*.ipynb")
    }


def pointed_to(cell: str) -> str:
    """The name of the notebook in a cell such as `[02](../notebooks/02_core_concepts.ipynb)`."""
    number, name = re.fullmatch(r"\[(\d\d)\]\(\.\./notebooks/(\S+)\)", cell).groups()
    assert name.startswith(number)
    return name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_work(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.S)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    for target in targets:
        if re.match(r"https?://", target):
            continue
        name, _, part = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        assert not part or part in anchors(file), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_files_that_are_named_exist(page):
    text = page.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)`", text, re.M):
        assert re.search(rf"^{''.join(target)}:", makefile, re.M), target
    folders = "studies|scripts|tests|data|recsys_utils|notebooks"
    for name in re.findall(rf"\b(?:{folders})/[\w/.*]+\w", text):
        assert list(ROOT.glob(name.replace("NN", "03").replace("NAME", "*"))), name


@pytest.mark.parametrize("row", TERMS, ids=lambda row: row[0])
def test_a_term_is_used_in_the_notebook_it_points_to(row, prose):
    term, chinese, meaning, notebook = row
    assert re.search(rf"(?<!\w){re.escape(term)}", prose[pointed_to(notebook)], re.I)
    assert meaning and re.fullmatch(r".*[\u4e00-\u9fff].*†?|Transformer|Scaled.*", chinese)


@pytest.mark.parametrize("row", SYMBOLS, ids=lambda row: row[0])
def test_a_symbol_is_used_in_the_notebook_it_points_to(row, prose):
    symbol, meaning, shape, notebook = row
    formulas = re.findall(r"(\$\$?)(.+?)\1", prose[pointed_to(notebook)], re.S)
    pattern = rf"(?<![\w\\]){re.escape(symbol.strip('$'))}(?!\w|')"
    assert any(re.search(pattern, formula) for _, formula in formulas)
    assert meaning and shape


def test_the_glossary_is_sorted_and_says_nothing_twice():
    names = [row[0].lower() for row in TERMS]
    assert names == sorted(names) and len(set(names)) == len(names) > 50
    symbols = [row[0] for row in SYMBOLS]
    assert len(set(symbols)) == len(symbols) > 20


def test_every_notebook_has_terms_in_the_glossary(prose):
    """So that a new notebook's words are not forgotten."""
    assert {pointed_to(row[-1]) for row in TERMS} == set(prose)


TEACHING = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
SESSIONS = re.split(r"^### (?=\d\. )", TEACHING.split("\n## Marking")[0], flags=re.M)[1:]


@pytest.mark.parametrize("session", SESSIONS, ids=lambda text: text.splitlines()[0])
def test_a_session_has_ninety_minutes_and_its_exercises_fit(session, prose):
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", session, flags=re.M)
    assert sum(int(minutes) for minutes, _ in rows) == 90
    (minutes, names) = next(row for row in rows if row[1].startswith("Exercise"))
    number = session[0]
    text = next(text for name, text in prose.items() if name.startswith(f"0{number}"))
    needed = 0
    for name in re.findall(rf"0{number}\.\d", names.split(";")[0]):
        needed += int(re.search(rf"### Exercise {name} .*?, (\d+) minutes\.", text, re.S)[1])
    assert 0 < needed <= int(minutes)
    assert "**Often wrong.**" in session and "**Discuss.**" in session
    assert "*A good answer" in session


def test_there_is_a_session_for_every_notebook(prose):
    assert [text[0] for text in SESSIONS] == sorted(name[1] for name in prose)


def test_the_citation_says_what_the_readme_and_the_licence_say():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert readme.startswith(f"# {citation['title']}\n")
    assert licence.startswith(citation["license"]) and citation["title"] in licence
    assert citation["authors"] == [{"name": "The authors of the course"}]
    assert f'version = "{citation["version"]}"' in project
    assert citation["cff-version"] == "1.2.0" and citation["message"]
    data = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    reference = citation["references"][0]
    assert reference["doi"] in data and reference["title"].split(":")[0] in data
    assert "data/README.md" in citation["abstract"]
