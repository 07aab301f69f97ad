"""Is everything here that the course needs? One line for each check: OK, or what to do.

    python -m recsys_utils.doctor

It never uses the network and imports nothing heavy, so that it also runs where packages are
missing. The exit code is 0 if nothing is to be done, else 1.
"""

from __future__ import annotations  # an old Python, too, gets as far as being told so

import hashlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from subprocess import DEVNULL
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"
NOTEBOOKS = ROOT / "notebooks"
CGROUP = Path("/sys/fs/cgroup")  # where Linux says how much memory a container may use
PACKAGE = "recsys-utils"
EXTRAS = ("", "lab")  # of the package's requirements: those of everybody, and JupyterLab
NEEDED_MB = 900
KERNEL_SECONDS = 8
INSTALL = 'in the folder of the course: python -m pip install -e ".[lab]"'


class Line(NamedTuple):
    """What one check found: a sign ("OK", "DO", "?" for cannot tell, "TIP") and a sentence."""

    sign: str
    text: str


def check_python() -> list[Line]:
    """The version of Python, against the one that the package asks for."""
    found = ".".join(map(str, sys.version_info[:3]))
    try:
        bound = re.search(r">=\s*(\d+)\.(\d+)", metadata(PACKAGE)["Requires-Python"])
    except PackageNotFoundError:
        return [Line("?", f"Python {found}: which one is needed, the package will say")]
    if sys.version_info[:2] < (int(bound[1]), int(bound[2])):
        needed = f"{bound[1]}.{bound[2]} or newer is needed: install it, make a new environment"
        return [Line("DO", f"Python {found} is too old, {needed}")]
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
        install = "python -m pip install packaging, then run this again"
        return [Line("DO", f"packaging is missing, which compares versions: {install}")]
    lines = []
    for need in map(Requirement, texts):
        if need.marker and not any(need.marker.evaluate({"extra": extra}) for extra in EXTRAS):
            continue
        install = f'python -m pip install "{need.name}{need.specifier}"'
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
    """A kernel starts, answers in time, and finds the package of the course."""
    try:
        from jupyter_client.manager import KernelManager
    except ImportError:
        return [Line("DO", f"jupyter_client is missing, so no notebook can run; {INSTALL}")]
    again = "try again, else python -m pip install --force-reinstall ipykernel"
    end = time.monotonic() + KERNEL_SECONDS
    manager = KernelManager(kernel_name="python3")
    client = None
    try:
        manager.start_kernel(stdout=DEVNULL, stderr=DEVNULL)
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=KERNEL_SECONDS)
        reply = client.execute_interactive(
            "import recsys_utils",
            timeout=max(1, end - time.monotonic()),
            output_hook=lambda message: None,
        )
    except Exception as error:  # no such kernel, it died, or it is too slow
        return [Line("DO", f"no kernel starts and answers ({error}): {again}")]
    finally:
        if client:
            client.stop_channels()
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)
    if reply["content"]["status"] != "ok":
        text = "the kernel python3 belongs to another Python: python -m ipykernel install"
        return [Line("DO", f"{text} --sys-prefix")]
    return [Line("OK", "a kernel starts and answers")]


def check_writing() -> list[Line]:
    """Notebooks can be saved where they are."""
    try:
        with tempfile.TemporaryFile(dir=NOTEBOOKS):
            return [Line("OK", "the folder notebooks can be written to")]
    except FileNotFoundError:
        return [Line("DO", f"there is no folder {NOTEBOOKS}; {INSTALL}")]
    except OSError as error:
        text = f"the folder {NOTEBOOKS} cannot be written to ({error.strerror})"
        return [Line("DO", f"{text}: copy the course to a folder of your own")]


def check_threads() -> list[Line]:
    """Models this small are faster with one thread. No fault if not."""
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads == "1":
        return [Line("OK", "OMP_NUM_THREADS is 1")]
    text = f"OMP_NUM_THREADS is {threads or 'not set'}: set it to 1 before you start JupyterLab"
    return [Line("TIP", f"{text}, then the models train faster (`make lab` does)")]


CHECKS: list[Callable[[], list[Line]]] = [
    check_python, check_packages, check_data, check_memory, check_kernel, check_writing,
    check_threads,
]  # fmt: skip


def main() -> int:
    """Run all checks, print their lines, and return the exit code."""
    lines = []
    for check in CHECKS:
        try:
            found = check()
        except Exception as error:  # a fault of ours must not hide the other lines
            found = [Line("DO", f"{check.__name__} failed, please report it: {error!r}")]
        for line in found:
            print(f"{line.sign:<4}{' '.join(line.text.split())}", flush=True)
        lines += found
    todo = sum(line.sign == "DO" for line in lines)
    print(f"{todo} to do: start with the first." if todo else "All is well.")
    return 1 if todo else 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a path with signs that this terminal does not know
    sys.exit(main())
