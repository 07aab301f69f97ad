"""Binder: its own tool, repo2docker, reads the repository as Binder will. No Docker, no network."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Binder's tools are for Linux")


@pytest.fixture(scope="module")
def rendered():
    """The Dockerfile that Binder would build, and what repo2docker says meanwhile."""
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return SimpleNamespace(dockerfile=run.stdout, said=run.stderr)


def test_binder_builds_from_the_conda_environment(rendered):
    """Not from pyproject.toml, which would bring a torch of 5 GB."""
    assert 'env update -p ${NB_PYTHON_PREFIX} --file "environment.yml"' in rendered.dockerfile
    assert "pip install" not in rendered.dockerfile


def test_binder_takes_python_3_11(rendered):
    """With `python>=3.11` it takes its default instead, whatever that is at the time."""
    assert "Building conda environment for python=3.11\n" in rendered.said
    assert "environment-2epy-2d3-2e11-2d" in rendered.dockerfile  # environment.py-3.11-...


def test_the_repository_is_there_when_its_package_is_installed(rendered):
    """Because of `-e .`; else Binder would copy environment.yml alone and install before."""
    copied = rendered.dockerfile.index("COPY --chown=0:0 src/ ${REPO_DIR}/")
    assert copied < rendered.dockerfile.index('--file "environment.yml"')


def test_binder_starts_with_the_start_file(rendered):
    assert 'ENV R2D_ENTRYPOINT="${REPO_DIR}/start"' in rendered.dockerfile


def test_the_start_file_sets_one_thread_and_hands_over():
    program = "import os, sys; print(os.environ['OMP_NUM_THREADS'], sys.argv[1:], os.getppid())"
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    command = [ROOT / "start", sys.executable, "-c", program, "two words", "3"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    # exec: the shell is gone, so that Binder's signals reach JupyterLab.
    assert run.stdout == f"1 ['two words', '3'] {os.getpid()}\n", run.stderr
