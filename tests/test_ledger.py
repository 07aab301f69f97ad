"""The ledger of notebook 08: every claim of the article, and the cell whose number answers it.

`article_claims.csv` lists the claims in the article's own words, section by section: all sentences
but definitions, plans and code. So none can go missing.
"""

import csv
import re
from importlib import import_module
from pathlib import Path

import nbformat
import pytest
from rewritten import NOT_REWRITTEN

from recsys_utils.ledger import read_ledger

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
COLUMNS = ["section", "words", "claim", "notebook", "cell", "pattern", "measured", "verdict",
           "repeats"]  # fmt: skip
NOT_TESTABLE = "not testable here"
VERDICTS = {"holds", "holds in part", "does not hold here", "not decided", NOT_TESTABLE}
SUMMARY = "08"  # the notebook that shows the ledger


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


ROWS = rows_of(NOTEBOOKS / "ledger.csv")
QUOTING = [row for row in ROWS if row["cell"]]
REPEATING = [row for row in ROWS if row["repeats"]]


def name(row: dict[str, str]) -> str:
    return f"{row['section']} {row['claim'][:40]}"


@pytest.fixture(scope="module")
def cells() -> dict:
    """(notebook, cell id) -> what the cell printed, or what it says if it is text."""
    text_of = import_module("evidence").text_of
    texts = {}
    for path in NOTEBOOKS.glob("0*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            texts[path.stem, cell.id] = text_of(cell)
    return texts


def test_every_claim_of_the_article_is_there_in_its_own_words_and_in_its_order():
    claims = [(row["section"], row["words"]) for row in rows_of(ROOT / "tests/article_claims.csv")]
    assert [(row["section"], row["words"]) for row in ROWS] == claims
    assert len(claims) == len(set(claims)) > 80
    parts = [[int(n) for n in section.split(".")] for section, _ in claims]
    assert parts == sorted(parts)


def test_the_columns_are_filled():
    assert list(ROWS[0]) == COLUMNS
    for row in ROWS:
        assert all(value == value.strip() for value in row.values()), row
        wanted = ["section", "words", "claim", "notebook", "measured", "verdict"]
        assert all(row[column] for column in wanted), row
        assert row["verdict"] in VERDICTS, row
        assert (NOTEBOOKS / f"{row['notebook']}.ipynb").exists(), row


def test_only_what_cannot_be_tested_goes_without_a_number():
    for row in ROWS:
        assert bool(row["cell"]) == bool(row["pattern"]), row
        assert row["cell"] or row["verdict"] == NOT_TESTABLE, row


def test_no_claim_stands_twice_in_a_section():
    claims = [(row["section"], row["claim"]) for row in ROWS]
    assert len(claims) == len(set(claims))


def test_forecasts_and_what_others_use_are_not_judged_by_our_experiments():
    """将会: will; 常用, 广泛: common, widely."""
    for row in ROWS:
        if re.search("将会|常用|广泛", row["words"]):
            assert row["verdict"] == NOT_TESTABLE, row


@pytest.mark.parametrize("row", REPEATING, ids=name)
def test_what_repeats_a_claim_has_its_evidence_and_its_verdict(row):
    same = ["notebook", "cell", "pattern", "measured", "verdict"]
    firsts = []
    for first in ROWS[: ROWS.index(row)]:
        if first["section"] == row["repeats"] and not first["repeats"]:
            firsts.append([first[column] for column in same])
    assert [row[column] for column in same] in firsts


@pytest.mark.parametrize("row", QUOTING, ids=name)
def test_its_cell_exists_and_shows_the_number(row, cells):
    place = row["notebook"], row["cell"]
    assert place in cells, place
    found = re.search(row["pattern"], cells[place], re.MULTILINE)
    assert found, f"{place} does not show: {row['measured']}"
    for number in found.groups():
        float(number.replace(",", ""))  # ValueError: what was found is no number
    text = row["measured"].format(*found.groups())
    assert "{" not in text and text != row["measured"], "a number is taken from the cell"


def test_no_figure_is_typed_into_what_was_measured():
    """HR@10 and NDCG@10 are names; weights lie between 0 and 1."""
    for row in ROWS:
        text = re.sub(r"\{\d*\}|@10", "", row["measured"])
        assert not re.search(r"\d\d|[2-9]", text), row["measured"]


def test_the_evidence_is_what_the_cells_printed():
    script = import_module("evidence")
    stored = script.FILE.read_text(encoding="utf-8")
    assert stored == script.as_text(script.collect()), "python scripts/evidence.py"


def test_the_ledger_can_be_read_without_any_notebook(tmp_path, monkeypatch):
    for file in ("ledger.csv", "evidence.json"):
        (tmp_path / file).write_bytes((NOTEBOOKS / file).read_bytes())
    monkeypatch.setattr("recsys_utils.ledger.NOTEBOOKS", tmp_path)
    claims = read_ledger()
    assert claims["claim"].tolist() == [row["claim"] for row in ROWS]
    assert not claims["measured"].str.contains("{", regex=False).any()
    assert claims["where"].str.fullmatch(r"0\d( cell-\d+)?").all()


def test_evidence_that_is_missing_or_old_is_named(tmp_path, monkeypatch):
    text = (NOTEBOOKS / "ledger.csv").read_text(encoding="utf-8")
    (tmp_path / "ledger.csv").write_text(text, encoding="utf-8")
    monkeypatch.setattr("recsys_utils.ledger.NOTEBOOKS", tmp_path)
    place = f"{QUOTING[0]['notebook']} {QUOTING[0]['cell']}"
    for evidence, message in [("{}", f"nothing from {place}"),
                              (f'{{"{place}": "?"}}', f"{place} does not show")]:  # fmt: skip
        (tmp_path / "evidence.json").write_text(evidence, encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            read_ledger()


@pytest.mark.skipif(SUMMARY in NOT_REWRITTEN, reason="notebook 08 still shows the old ledger")
def test_notebook_08_shows_every_row(cells):
    """Its table was made from this file."""
    first = ROWS[0]["claim"]
    texts = [text for (book, _), text in cells.items() if book.startswith(SUMMARY)]
    shown = next(text for text in texts if first in text)
    for row in read_ledger().itertuples():
        for value in (row.claim, row.measured, row.where, row.verdict):
            assert value in shown, f"run notebook 08 again: {row}"
