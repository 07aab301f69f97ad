"""The anatomy of the notebooks: what nbval does not look at."""

import itertools
import re
from importlib import import_module
from pathlib import Path

import nbformat
import pytest
from plain import Plainness, plainness, visible_code

ROOT = Path(__file__).parents[1]
BOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PRIMER = "00"  # what is needed before; it belongs to no section of the article
LARGEST = 400_000  # bytes
# The second edition's limits with a little room: see tests/plain.py for other courses.
PLAIN = Plainness(
    tokens=11.5, densest=22, comprehensions=2, nested=0, asserts=1.5, stars=0.5, chains=1, imports=8
)


@pytest.fixture(params=BOOKS, ids=lambda path: path.stem)
def book(request):
    notebook = nbformat.read(request.param, as_version=4)
    nbformat.validate(notebook)
    notebook.path = request.param
    return notebook


def code(book) -> list:
    return [cell for cell in book.cells if cell.cell_type == "code"]


def prose(book) -> list[str]:
    """The Markdown cells, without their code blocks."""
    texts = [cell.source for cell in book.cells if cell.cell_type == "markdown"]
    return [re.sub(r"```.*?```", "", text, flags=re.DOTALL) for text in texts]


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def test_there_are_notebooks():
    assert BOOKS


def test_it_was_run_once_from_top_to_bottom(book):
    """Strict nbval compares nothing for a cell that was never run."""
    assert [cell.execution_count for cell in code(book)] == list(range(1, len(code(book)) + 1))


def test_it_has_the_parts_every_notebook_has(book):
    text = "\n\n".join(prose(book))
    wanted = ["## You will learn", "## You need", "## What you found", "## Exercises",
              "## Questions to take away", "## Further reading"]  # fmt: skip
    places = [text.find(f"\n{heading}\n") for heading in wanted]
    assert -1 not in places, dict(zip(wanted, places))
    assert places == sorted(places)
    time = r"\*\*Time:\*\* about \d+ minutes to read, about \d+ seconds to run\."
    assert re.search(time, text)
    number = book.path.stem[:2]
    assert prose(book)[0].startswith(f"# {number} ")
    section = re.search(r"[Ss]ection (\d)", prose(book)[0])
    if number == PRIMER:
        assert not section
    else:
        assert section and section[1] == number[1], "the first cell names the article's section"


def test_slides_follow_one_rule(book):
    """`jupyter nbconvert --to slides`: see slide_type in scripts/run_and_store.py."""
    script = import_module("run_and_store")
    for cell in book.cells:
        assert cell.metadata.get("slideshow", {}).get("slide_type") == script.slide_type(cell)
    kinds = [cell.metadata.slideshow.slide_type for cell in book.cells]
    assert kinds[0] == "slide" and kinds.count("slide") >= 5 and "notes" in kinds


def test_hidden_code_is_folded_in_jupyter_and_on_web_pages(book):
    """JupyterLab looks at one mark, the web pages at the other."""
    for cell in code(book):
        folded = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        assert folded == ("hide-input" in tags(cell)), cell.source


def test_nothing_of_a_progress_bar_is_stored():
    """Neither a widget, which JupyterLab would look for, nor the empty text that is left of one."""
    script = import_module("run_and_store")
    widget = {script.WIDGET: {"model_id": "1"}, "text/plain": "bar"}
    bars = [
        nbformat.v4.new_output("display_data", data=data) for data in (widget, {"text/plain": ""})
    ]
    assert script.clean_outputs(bars) == []


def test_no_stored_output_looks_for_a_widget(book):
    script = import_module("run_and_store")
    for cell in code(book):
        assert not [output for output in cell.outputs if script.WIDGET in output.get("data", {})]


def test_what_was_printed_stands_in_one_piece():
    """A kernel sends it in pieces, cut by chance."""
    script = import_module("run_and_store")
    pieces = [nbformat.v4.new_output("stream", name="stdout", text=text) for text in "ab"]
    (whole,) = script.clean_outputs(pieces)
    assert whole.text == "ab"


def test_headings_are_in_order(book):
    levels = [len(m[1]) for text in prose(book) for m in re.finditer(r"^(#{1,6}) \S", text, re.M)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), levels


def test_the_file_is_small(book):
    assert book.path.stat().st_size <= LARGEST


def test_its_code_is_plain(book):
    for name, found, limit in zip(PLAIN._fields, plainness(book), PLAIN):
        assert found <= limit, f"{name}: {found:.1f}, at most {limit}"


def test_its_lines_of_code_fit_a_window_of_1024_pixels(book):
    """Else nearly every cell scrolls sideways in JupyterLab."""
    for source in visible_code(book):
        assert not [line for line in source.splitlines() if len(line) > 79]


def test_imports_are_in_the_first_code_cell(book):
    """An exercise may name what it needs, so that it can be done without the notebook."""
    for cell in code(book)[1:]:
        if "exercise" not in cell.metadata.get("tags", []):
            assert not re.search(r"^\s*(import|from) ", cell.source, re.M), cell.source


def test_no_magics_no_network_no_widgets_that_nbval_cannot_compare(book):
    forbidden = r"^\s*[%!]|requests|urllib|https?://|clear_output|interact\(|widgets\.Output"
    for cell in code(book):
        assert not re.search(forbidden, cell.source, re.M), cell.source
        assert not cell.source.rstrip().endswith(";"), cell.source
    assert "widgets" not in book.metadata


def test_outputs_hold_no_errors_paths_addresses_or_warnings(book):
    for cell in code(book):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", output
            text = str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
            assert not re.search(r"/(home|root|Users|tmp|work)/\w|0x[0-9a-f]{6,}|Warning", text), (
                text
            )


def test_every_figure_is_described_in_words_in_the_next_cell(book):
    cells = [cell for cell in book.cells if cell.cell_type == "markdown" or cell.source.strip()]
    for cell, after in zip(cells, [*cells[1:], None]):
        pictures = [o for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
        if pictures:
            assert after and after.source.startswith("**In words.**"), cell.source


def test_what_nbval_does_not_compare_is_marked_for_a_reason(book):
    """Not compared: training with its progress bar (no output kept), and what a machine decides."""
    for cell in code(book):
        if "nbval-ignore-output" in tags(cell):
            assert not cell.outputs or "machine-dependent" in tags(cell), cell.source
        assert "raises-exception" not in tags(cell) and "nbval-skip" not in tags(cell)


def test_there_are_questions_with_folded_answers(book):
    text = "\n".join(prose(book))
    assert text.count("Check yourself") >= 3
    assert text.count("<details><summary>") == text.count("</details>") >= 3
    assert text.count("What do you expect") >= 3
    for summary in re.findall("<summary>.*?</summary>", text):  # JupyterLab shows these as they are
        assert not re.search(r"`|\*", summary), summary


def test_links_and_pictures_work_and_say_what_they_are(book):
    for text in prose(book):
        for description, target in re.findall(r"!\[(.*?)\]\(([^)]+)\)", text):
            assert len(description) > 30, "a picture needs a description"
            assert (book.path.parent / target).exists(), target
        for words, target in re.findall(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", text):
            assert words.strip().lower() not in {"here", "click here", "link", "this"}, words
            if not re.match(r"https?://|#", target):
                assert (book.path.parent / target.split("#")[0]).exists(), target
    for cell in book.cells:
        if cell.cell_type == "markdown" and "```mermaid" in cell.source:
            assert "accTitle:" in cell.source and "accDescr:" in cell.source


def test_previous_and_next_lead_through_the_course(book):
    number = int(book.path.stem[:2])
    neighbours = [p for p in BOOKS if int(p.stem[:2]) in (number - 1, number + 1)]
    for cell in (book.cells[0], book.cells[-1]):
        assert "(../README.md)" in cell.source
        for neighbour in neighbours:
            assert f"({neighbour.name})" in cell.source, neighbour.name


def test_arxiv_ids_are_those_that_were_checked(book):
    """A typing error in an id would send readers to another paper."""
    known = set((ROOT / "tests" / "papers.txt").read_text(encoding="utf-8").split())
    found = {i for text in prose(book) for i in re.findall(r"arXiv:(\d{4}\.\d{4,5})", text)}
    found |= {
        i for text in prose(book) for i in re.findall(r"arxiv\.org/abs/(\d{4}\.\d{4,5})", text)
    }
    assert found <= known, found - known


def test_the_map_of_papers_says_where_each_paper_is_cited():
    """Notebook 07 lists the papers; other notebooks cite them, and no paper is forgotten."""
    texts = {path.stem[:2]: "\n".join(prose(nbformat.read(path, 4))) for path in BOOKS}
    rows = [line for line in texts.pop("07").splitlines() if line.startswith("| ")]
    identifier = r"arXiv:(\d{4}\.\d{4,5})|doi\.org/(10\.[^)\s]+)"
    listed = set()
    for row in rows:
        found = {a or b for a, b in re.findall(identifier, row)}
        cited = re.split(r"\s*\|\s*", row.strip("| "))[-1]
        if not found or not re.fullmatch(r"to read on|\d\d(, \d\d)*", cited):
            continue
        listed |= found
        actual = [n for n, text in sorted(texts.items()) if any(key in text for key in found)]
        assert cited == (", ".join(actual) or "to read on"), row
    everywhere = {i for text in texts.values() for i in re.findall(r"arXiv:(\d{4}\.\d{4,5})", text)}
    assert everywhere <= listed, everywhere - listed
