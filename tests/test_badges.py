"""README gets its badges from one script, and looks finished without them."""

import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ONE = "https://github.com/ada-l/explained"
OTHER = "https://github.com/Grace9/re.com_mender"


@pytest.fixture(scope="module")
def script():
    return import_module("badges")


def test_badges_stand_below_the_marker_and_lead_to_the_page_the_book_and_binder(script):
    changed = script.with_address(README, ONE)
    badges = changed.split("<!-- launch -->\n")[1].split("\n\n")[0].splitlines()
    assert [re.search(r"\]\(([^)]*)\)$", badge)[1] for badge in badges] == [
        "https://ada-l.github.io/explained/pick/",
        "https://ada-l.github.io/explained/",
        "https://mybinder.org/v2/gh/ada-l/explained/main?urlpath=lab/tree/README.md",
    ]
    assert all(re.match(r"\[!\[[A-Z]\w+ [\w, ]+\]\(https://", badge) for badge in badges)


def test_the_address_to_clone_from_is_the_public_one(script):
    changed = script.with_address(
        "<!-- launch -->\ngit clone -q https://github.com/O/N course", ONE
    )
    assert changed.endswith(f"\ngit clone -q {ONE} course")


def test_a_second_run_changes_nothing_and_a_new_address_replaces_the_old_one(script):
    once = script.with_address(README, ONE)
    assert script.with_address(once, ONE) == once
    assert script.with_address(once, OTHER) == script.with_address(README, OTHER)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "github.com/ada/x",
        "http://github.com/ada/x",
        f"{ONE}/",
        f"{ONE}.git",
        f"{ONE}/tree/main",
    ],
)
def test_what_is_no_address_of_a_repository_is_refused(script, address):
    with pytest.raises(ValueError, match=r"expected https://github\.com/OWNER/NAME, got"):
        script.with_address(README, address)


def test_the_book_leaves_the_badges_out(script):
    """They are pictures from elsewhere; the book loads nothing from elsewhere."""
    sys.path.insert(0, str(ROOT / "book"))
    try:
        without_badges = import_module("sources").without_badges
    finally:
        sys.path.remove(str(ROOT / "book"))
    changed = script.with_address(README, ONE)
    assert "img.shields.io" in changed
    assert without_badges(changed) == script.with_address(README, ONE).replace(
        changed.split("<!-- launch -->\n")[1].split("\n\n")[0] + "\n", ""
    )
    assert "](notebooks/images/explanation.png)" in without_badges(changed), "our picture stays"


def test_a_readme_without_the_marker_is_refused(script):
    with pytest.raises(ValueError, match="badges go below it"):
        script.with_address("# Course\n", ONE)
