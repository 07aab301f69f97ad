"""Is everything here that the course needs? One line for each check: OK, or what to do.

    make doctor                        # in the environment that `make lab` has made
    python -m recsys_utils.doctor      # in the environment of this Python

It never uses the network. It imports nothing heavy itself, so that it also runs where packages are
missing: they are imported in a kernel, as a notebook does it. The exit code is 0 if nothing is to
be done, else 1.
"""

from __future__ import annotations  # an old Python, too, gets as far as being told so

import hashlib
import os
import queue
import re
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from subprocess import DEVNULL
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# As in `tables`, which needs pandas: in a wheel the data are in the package.
DATA = HERE / "course_data" if (HERE / "course_data").is_dir() else ROOT / "data"
NOTEBOOKS = ROOT / "notebooks"
VENV = ROOT / ".venv"  # what `make lab` makes
CGROUP = Path("/sys/fs/cgroup")  # where Linux says how much memory a container may use
PACKAGE = "recsys-utils"
EXTRAS = ("", "lab")  # of the package's requirements: those of everybody, and JupyterLab
NEEDED_PYTHON = (3, 11)
NEEDED_MB = 900
KERNEL_SECONDS = 8  # to start
IMPORT_SECONDS = 60  # for all of IN_KERNEL; the first import after an installation is slow
INSTALL = 'in the folder of the course: make lab, or python -m pip install -e ".[lab]"'
IN_VENV = Path(sys.prefix).resolve() == VENV.resolve()
PIP = (".venv/bin/" if IN_VENV and os.name != "nt" else "") + "python -m pip install"
LOAD = "from recsys_utils import data; data.load_ratings(movies=data.load_movies())"
# What a notebook needs, the basis first: what is run -> the package to blame, None: the course's.
IN_KERNEL = {
    "import recsys_utils": None,
    "import numpy": "numpy",
    "import pandas": "pandas",
    "import matplotlib.pyplot": "matplotlib",
    "import torch": "torch",
    "import ipywidgets": "ipywidgets",
    LOAD: None,
}


class Line(NamedTuple):
    """What one check found: a sign ("OK", "DO", "?" for cannot tell, "TIP") and a sentence."""

    sign: str
    text: str


def check_environment() -> list[Line]:
    """This Python is the one that `make lab` has made, or it has all that is needed itself."""
    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists() or IN_VENV:
        return []
    if all(line.sign == "OK" for line in check_packages()):
        return []
    text = f"the course has its own Python in {VENV.name}, and this is another: run make doctor"
    return [Line("DO", f'{text}, or "{python}" -m recsys_utils.doctor')]


def check_python() -> list[Line]:
    """The version of Python."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < NEEDED_PYTHON:
        needed = ".".join(map(str, NEEDED_PYTHON))
        text = f"Python {found} is too old, {needed} or newer is needed: install it, then"
        return [Line("DO", f"{text} {INSTALL}")]
    return [Line("OK", f"Python {found}")]


def check_packages() -> list[Line]:
    """Every package the course needs, with the bounds from the installed metadata."""
    try:
        texts = requires(PACKAGE) or []
    except PackageNotFoundError:
        return [Line("DO", f"the course's package is not installed; {INSTALL}")]
    try:
        from packaging.requirements import Requirement
    except ImportError:
        install = f"{PIP} packaging, then run this again"
        return [Line("DO", f"packaging is missing, which compares versions: {install}")]
    lines = []
    for need in map(Requirement, texts):
        if need.marker and not any(need.marker.evaluate({"extra": extra}) for extra in EXTRAS):
            continue
        install = f'{PIP} "{need.name}{need.specifier}"'
        try:
            found = version(need.name)
        except PackageNotFoundError:
            found = None
        if not found:
            lines.append(Line("DO", f"{need.name} is missing: {install}"))
        elif not need.specifier.contains(found, prereleases=True):
            text = f"{need.name} {found} does not fit, {need.specifier} is needed: {install}"
            lines.append(Line("DO", text))
        else:
            lines.append(Line("OK", f"{need.name} {found}"))
    return lines


def check_data() -> list[Line]:
    """The data files, against the checksums in data/README.md."""
    sheet = DATA / "README.md"
    known = re.findall(
        r"\b([0-9a-f]{64})\s+(\S+)", sheet.read_text("utf-8") if sheet.exists() else ""
    )
    if not known:
        text = f"no checksums in {sheet}: get the folder data again, or {INSTALL}"
        return [Line("DO", text)]
    lines = []
    for digest, name in known:
        path = DATA / name
        if not path.exists():
            lines.append(Line("DO", f"data/{name} is missing: get the folder data again"))
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            text = f"data/{name} is not the file of the course (other checksum): get it again"
            lines.append(Line("DO", text))
        else:
            lines.append(Line("OK", f"data/{name}"))
    return lines


def free_memory() -> float | None:
    """Free memory in MB, in a container at most what is left of its limit; None: cannot tell."""
    try:
        import psutil  # comes with Jupyter's kernel
    except ImportError:
        return None
    free = psutil.virtual_memory().available
    try:
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
        # Files that were read and may be dropped again count as used there.
        cached = re.search(r"^inactive_file (\d+)", (CGROUP / "memory.stat").read_text(), re.M)
        free = min(free, limit - used + int(cached[1]))
    except (OSError, ValueError):
        pass  # no container, or one without a limit
    return free / 1e6


def check_memory() -> list[Line]:
    """Enough free memory for the notebook that needs most."""
    free = free_memory()
    if free is None:
        return [Line("?", f"free memory: cannot tell; {NEEDED_MB} MB are needed")]
    if free < NEEDED_MB:
        text = (
            f"only {free:.0f} MB of memory are free, {NEEDED_MB} are needed: close other programs"
        )
        return [Line("DO", f"{text} and kernels")]
    return [Line("OK", f"free memory: {free:.0f} MB")]


def check_kernel() -> list[Line]:
    """A kernel starts and answers, and everything a notebook needs can be imported in it."""
    try:
        from jupyter_client.manager import KernelManager
    except ImportError:
        return [Line("DO", f"jupyter_client is missing, so no notebook can run; {INSTALL}")]
    again = f"try again, else {PIP} --force-reinstall ipykernel"
    manager = KernelManager(kernel_name="python3")
    client = None
    try:
        manager.start_kernel(stdout=DEVNULL, stderr=DEVNULL)
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=KERNEL_SECONDS)
        return [Line("OK", "a kernel starts and answers"), run_in_kernel(manager, client)]
    except Exception as error:  # no such kernel, it died, or it is too slow
        return [Line("DO", f"no kernel starts and answers ({error}): {again}")]
    finally:
        if client:
            client.stop_channels()
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)


def reinstall(package: str) -> str:
    """The command that installs a package again, within the course's bounds."""
    needs = [text for text in requires(PACKAGE) or [] if re.match(rf"{package}\b", text)]
    command = f'{PIP} --force-reinstall --no-deps "{needs[0] if needs else package}"'
    if package != "torch":
        return command
    if sys.platform == "linux":  # the default index has the CUDA build (5 GB)
        command += " --index-url https://download.pytorch.org/whl/cpu"
    if os.name == "nt":
        command += ", and install Microsoft's Visual C++ Redistributable (x64)"
    return command


def run_in_kernel(manager: object, client: object) -> Line:
    """Run IN_KERNEL up to the first failure: what comes after it would fail for the same reason.

    Args:
        manager, client: of jupyter_client; the kernel answers.
    """
    end = time.monotonic() + IMPORT_SECONDS
    for code, package in IN_KERNEL.items():
        what = "loading the data" if code == LOAD else code
        cure = reinstall(package) if package else INSTALL
        if code == "import recsys_utils":  # installed here, as an earlier check has found
            cure = "it belongs to another Python: python -m ipykernel install --sys-prefix"
        request = client.execute(code)
        reply = None
        while reply is None and manager.is_alive() and time.monotonic() < end:
            try:
                message = client.get_shell_msg(timeout=0.5)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") == request:
                reply = message["content"]
        if reply is None and manager.is_alive():
            return Line("DO", f"{what} takes more than {IMPORT_SECONDS} s in a kernel: try again")
        if reply is None:
            return Line("DO", f"{what} ends the kernel: {cure}")
        if reply["status"] != "ok":
            reason = f"{reply['ename']}: {reply['evalue']}"[:300]
            return Line("DO", f"{what} fails in a kernel ({reason}): {cure}")
    return Line("OK", "in it the packages can be imported and the data loaded")


def check_writing() -> list[Line]:
    """Notebooks can be saved where they are: in the course's folder, else in this one."""
    folder = NOTEBOOKS if NOTEBOOKS.is_dir() else Path.cwd()
    try:
        with tempfile.TemporaryFile(dir=folder):
            return [Line("OK", f"the folder {folder.name} can be written to")]
    except OSError as error:
        text = f"the folder {folder} cannot be written to ({error.strerror})"
        return [Line("DO", f"{text}: copy the notebooks to a folder of your own")]


def check_threads() -> list[Line]:
    """Models this small are faster with one thread. No fault if not."""
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads == "1":
        return [Line("OK", "OMP_NUM_THREADS is 1")]
    text = f"OMP_NUM_THREADS is {threads or 'not set'}: set it to 1 before you start JupyterLab"
    return [Line("TIP", f"{text}, then the models train faster (`make lab` does)")]


BASIS: list[Callable[[], list[Line]]] = [check_environment, check_python]
CHECKS: list[Callable[[], list[Line]]] = [
    *BASIS, check_packages, check_data, check_memory, check_kernel, check_writing, check_threads
]  # fmt: skip


def report(check: Callable[[], list[Line]]) -> list[Line]:
    """Run a check and print its lines."""
    try:
        found = check()
    except Exception as error:  # a fault of ours must not hide the other lines
        found = [Line("DO", f"{check.__name__} failed, please report it: {error!r}")]
    for line in found:
        print(f"{line.sign:<4}{' '.join(line.text.split())}", flush=True)
    return found


def main() -> int:
    """Run the checks and return the exit code."""
    lines = []
    for check in CHECKS:
        lines += report(check)
        todo = sum(line.sign == "DO" for line in lines)
        if todo and check in BASIS:
            break  # in another Python all the rest would be false alarms
    print(f"{todo} to do: start with the first." if todo else "All is well.")
    return 1 if todo else 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a path with signs that this terminal does not know
    sys.exit(main())
