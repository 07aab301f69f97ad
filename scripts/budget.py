"""Measure what the course costs, and fail if it costs more than promised.

    python scripts/budget.py docs/budget.md        (make budget)

Runs every notebook in a fresh kernel, with one and with two threads, one after the other, on an
otherwise idle machine. Writes seconds, peak memory, file sizes and import times as a table with
machine and date. Linux and macOS: elsewhere Python cannot tell a child's peak memory.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# The promise. Seconds on the clock; MB = 1,000,000 bytes.
SECONDS = {1: 25, 2: 25}
WHOLE_COURSE_SECONDS = 120  # with two threads
PEAK_MB = 750
FILE_KB = 400


class Cost(NamedTuple):
    """What one run of a notebook took: seconds on the clock, seconds of CPU, peak memory in MB."""

    seconds: float
    cpu: float
    peak: float


def run_here(notebook: Path) -> Cost:
    """Run a notebook in a kernel, a child of this process, and ask what the child took."""
    import resource  # not on Windows

    import nbformat
    from nbclient import NotebookClient

    begin = time.perf_counter()
    NotebookClient(
        nbformat.read(notebook, 4),
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(notebook.parent)}},
    ).execute()
    seconds = time.perf_counter() - begin
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1 if platform.system() == "Darwin" else 1024  # bytes there, kB here
    return Cost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * unit / 1e6)


def measure(notebook: Path, threads: int) -> Cost:
    """The faster of two runs, if the first is too slow: another program may have been busy."""
    first = measure_once(notebook, threads)
    if first.seconds <= SECONDS[threads]:
        return first
    return min(first, measure_once(notebook, threads))


def measure_once(notebook: Path, threads: int) -> Cost:
    """`run_here` in a process of its own, so that its only child is this notebook's kernel."""
    command = [sys.executable, __file__, "--one", str(notebook)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return Cost(*json.loads(run.stdout.splitlines()[-1]))


def import_seconds(program: str) -> float:
    """Median of five fresh processes, less the time of an empty one."""

    def once(code: str) -> float:
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - begin

    return statistics.median(once(program) - once("pass") for _ in range(5))


def broken(costs: dict[tuple[str, int], Cost]) -> list[str]:
    """Every promise that was not kept, in words. `costs`: by notebook and number of threads."""
    found = []
    for (name, threads), cost in costs.items():
        if cost.seconds > SECONDS[threads]:
            found.append(
                f"{name}, {threads} threads: {cost.seconds:.0f} s, at most {SECONDS[threads]}"
            )
        if cost.peak > PEAK_MB:
            found.append(f"{name}, {threads} threads: {cost.peak:.0f} MB, at most {PEAK_MB}")
    whole = sum(cost.seconds for (_, threads), cost in costs.items() if threads == 2)
    if whole > WHOLE_COURSE_SECONDS:
        found.append(f"whole course, 2 threads: {whole:.0f} s, at most {WHOLE_COURSE_SECONDS}")
    for notebook in NOTEBOOKS:
        if (size := notebook.stat().st_size / 1000) > FILE_KB:
            found.append(f"{notebook.stem}: {size:.0f} kB, at most {FILE_KB}")
    return found


def processor() -> str:
    """The name of the processor, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def machine() -> str:
    """Cores, processor, system and versions, for the head of a page of measurements."""
    return (
        f"{os.cpu_count()} cores of {processor()}, {platform.system()}, "
        f"Python {platform.python_version()}, torch {version('torch')}"
    )


def table(costs: dict[tuple[str, int], Cost], imports: dict[str, float]) -> str:
    """The page docs/budget.md."""
    rows = []
    for notebook in NOTEBOOKS:
        one, two = costs[notebook.stem, 1], costs[notebook.stem, 2]
        rows.append(
            f"| {notebook.stem} | {one.seconds:.0f} | {one.cpu:.0f} | {one.peak:.0f} "
            f"| {two.seconds:.0f} | {two.cpu:.0f} | {two.peak:.0f} "
            f"| {notebook.stat().st_size / 1000:.0f} |"
        )
    sums = [[costs[n.stem, t] for n in NOTEBOOKS] for t in (1, 2)]
    total = " | ".join(
        f"{sum(c.seconds for c in part):.0f} | {sum(c.cpu for c in part):.0f} "
        f"| {max(c.peak for c in part):.0f}"
        for part in sums
    )
    size = sum(n.stat().st_size for n in NOTEBOOKS) / 1000
    return "\n".join(
        [
            "# What the course costs",
            "",
            f"Measured on {date.today().isoformat()} by `make budget`: {machine()}. "
            "One notebook after the other, each in a fresh kernel "
            "(a second time if it was too slow: the faster run counts).",
            "",
            f"Promised: a notebook takes at most {SECONDS[1]} s with one thread and {SECONDS[2]} s "
            f"with two, the whole course at most {WHOLE_COURSE_SECONDS} s with two; at most "
            f"{PEAK_MB} MB of memory; at most {FILE_KB} kB of file. `make budget` fails otherwise.",
            "",
            "| notebook | 1 thread: s | CPU s | peak MB | 2 threads: s | CPU s | peak MB "
            "| file kB |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            f"| **all** (peak: largest) | {total} | {size:.0f} |",
            "",
            "Seconds include the start of the kernel. Two threads gain little: the models are "
            "small. One is the setting of the tests and of Binder.",
            "",
            "| import | seconds |",
            "|---|---|",
            *(f"| `{name}` | {seconds:.2f} |" for name, seconds in imports.items()),
            "",
        ]
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(run_here(Path(sys.argv[2]))))
    elif len(sys.argv) == 2:
        costs = {}
        for notebook in NOTEBOOKS:
            for threads in SECONDS:
                costs[notebook.stem, threads] = measure(notebook, threads)
                print(notebook.stem, f"{threads} threads:", costs[notebook.stem, threads])
        programs = ["import torch", "import recsys_utils.data", "import recsys_utils.models",
                    "import recsys_utils.plots", "import recsys_utils.checks"]  # fmt: skip
        imports = {program: import_seconds(program) for program in programs}
        Path(sys.argv[1]).write_text(table(costs, imports), encoding="utf-8")
        if faults := broken(costs):
            sys.exit("Over budget:\n" + "\n".join(faults))
        print(f"Within budget. Table: {sys.argv[1]}")
    else:
        sys.exit("Usage: python scripts/budget.py FILE.md")
