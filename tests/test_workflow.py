"""The public repository's CI runs what you can run yourself, on all systems, and every week."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def workflow():
    path = ROOT / ".github" / "workflows" / "test.yml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def commands(job: dict) -> dict[str, str]:
    """Step -> what it runs."""
    return {step["name"]: step["run"] for step in job["steps"] if "run" in step}


def test_it_runs_for_every_change_and_every_week(workflow):
    events = workflow[True]  # YAML takes the key `on` for a truth value
    assert {"push", "pull_request", "schedule"} <= set(events)
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", events["schedule"][0]["cron"])


def test_it_may_only_read(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets" not in str(workflow)


def test_all_systems_and_the_oldest_python(workflow):
    matrix = workflow["jobs"]["systems"]["strategy"]["matrix"]
    assert matrix["system"] == ["ubuntu-latest", "macos-latest", "windows-latest"]
    assert f">={matrix['python'][0]}" == PROJECT["requires-python"]
    assert len(matrix["python"]) >= 2


def test_it_runs_make_lint_and_make_test(workflow):
    runs = [run for job in workflow["jobs"].values() for run in commands(job).values()]
    assert {"make lint", "make test", "make test-browser"} <= set(runs)
    for target in re.findall(r"\bmake ([a-z-]+)", "\n".join(runs)):
        assert re.search(rf"^{target}:", MAKEFILE, re.M), target


def test_changes_are_tested_with_the_locked_versions_and_weekly_the_newest(workflow):
    """`${{ is_true && '' || other }}` would give the other: an empty text counts as false."""
    wanted = "${{ github.event_name != 'schedule' && 'requirements.lock' || '' }}"
    assert workflow["env"]["LOCK"] == wanted
    assert re.search(r"^LOCK \?= requirements\.lock$", MAKEFILE, re.M)


def test_pictures_of_the_browser_are_kept(workflow):
    job = workflow["jobs"]["browser"]
    upload = next(step for step in job["steps"] if "upload-artifact" in step.get("uses", ""))
    assert upload["with"]["path"] == job["env"]["SCREENSHOTS"] and upload["if"] == "always()"


def test_windows_runs_what_make_test_runs(workflow):
    """There without make. Every other step is either for all systems or for all but Windows."""
    steps = workflow["jobs"]["systems"]["steps"]
    windows = next(step for step in steps if step.get("if") == "runner.os == 'Windows'")
    run = windows["run"]
    assert windows["env"] == {"PIP_CONSTRAINT": "${{ env.LOCK }}"}
    recipe = re.search(r"^test:.*\n\t\$\(BIN\)/python (.*)$", MAKEFILE, re.M)[1]
    assert run.splitlines() == ['python -m pip install -e ".[lab,test,site]"', f"python {recipe}"]
    assert all(step.get("if") in (None, "runner.os == 'Windows'", "runner.os != 'Windows'")
               for step in steps)  # fmt: skip


def test_the_oldest_versions_are_tried_in_the_environment_that_make_uses(workflow):
    install, test = commands(workflow["jobs"]["oldest"]).values()
    assert (
        "--python .venv --resolution lowest-direct" in install and '".[lab,test,site]"' in install
    )
    # make test would else install the newest ones over them.
    assert install.endswith("touch .venv/.done\n") and "$(VENV)/.done: pyproject" in MAKEFILE
    assert test == "make test"
