"""How time and memory of training, scoring and explaining grow, up to the size of MovieLens 32M.

    python studies/scaling.py docs/scaling.md            minutes, on an otherwise idle machine
    python studies/scaling.py docs/scaling.md --quick    tiny tables: does it run?

Writes the measured part of the page, between its two comments; the text around it stays. One
factor grows, the others stay in the middle. Each point is a process of its own with one thread:
CPU seconds, and by how much its peak memory rose above what it took to import. Linux and macOS.
"""

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scaling_tasks as tasks
import torch
from scaling_tasks import BATCH, EXPLAINED, FILMS, RATINGS, USERS, K
from train_distributed import load

from recsys_utils.models import AttributeAttentionRecommender
from recsys_utils.sequence_models import SelfAttentiveRecommender

sys.path.append(str(Path(__file__).parents[1] / "scripts"))
from budget import machine

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- measured: written by studies/scaling.py -->", "<!-- measured: end -->"
MIDDLE = {"users": 6_000, "films": 3_000, "attributes": 8, "history": 50}
POINTS = {
    "users": [2_000, 6_000, 20_000, 63_000, USERS],
    "films": [1_000, 3_000, 9_000, 28_000, FILMS],
    "attributes": [2, 4, 8, 16, 32, 64],
    "history": [10, 25, 50, 100, 200, 400],
}
QUICK = {"users": [20, 40], "films": [30, 60], "attributes": [2, 4], "history": [5, 10]}
# Slopes that theory expects when the factor is large: time, memory. Why: see the page.
THEORY = {
    ("users", "training"): ("1 to 2", "1"),
    ("users", "scoring"): ("1", "1"),
    ("users", "explaining"): ("1", "1"),
    ("users", "one_by_one"): ("1", "1"),
    ("films", "training"): ("1", "1"),
    ("films", "scoring"): ("1", "1"),
    ("films", "explaining"): ("0", "1"),
    ("films", "one_by_one"): ("0", "1"),
    ("attributes", "training"): ("0 to 1", "0 to 1"),
    ("attributes", "scoring"): ("0 to 1", "0"),
    ("attributes", "explaining"): ("1", "1"),
    ("attributes", "one_by_one"): ("0 to 1", "0"),
    ("history", "encoding"): ("1 to 2", "1 to 2"),
    ("history", "sequence_training"): ("1 to 2", "1 to 2"),
}
NAMES = {"one_by_one": "explaining one by one", "sequence_training": "training"}


class Cost(NamedTuple):
    """What a task takes: CPU seconds, estimated if `done` < `parts`; MB above `start` MB."""

    seconds: float
    done: int
    parts: int
    mb: float
    start: float


def peak_mb() -> float:
    """The most memory this process has held so far."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where getrusage would count what the parent process held as well
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # macOS: bytes


def free_gb() -> float:
    """Memory that a new process may take; where the system does not say, all there is."""
    info = Path("/proc/meminfo")
    if info.exists():
        return int(re.search(r"MemAvailable:\s+(\d+) kB", info.read_text())[1]) * 1024 / 1e9
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def run_here(task: str, size: dict[str, int] | None, budget: float) -> Cost:
    """Measure a task on simulated tables of this size; without a size on the course's data."""
    torch.set_num_threads(1)
    start, clock, function = peak_mb(), tasks.Clock(budget), getattr(tasks, task)
    if task in ("encoding", "sequence_training"):
        model = SelfAttentiveRecommender(
            tasks.simulated_split(100, size["films"]), max_len=size["history"]
        )
        films = torch.randint(1, size["films"] + 1, (20, 16, size["history"] + 1))
        function(model, list(films), clock)
    elif task in ("splitting", "whole_tables"):
        function(tasks.simulated_split(size["users"], size["films"]), clock)
    else:
        if size:
            split = tasks.simulated_split(size["users"], size["films"])
            table = tasks.simulated_table(size["films"], size["attributes"])
            model = AttributeAttentionRecommender(table, size["users"])
            random = np.random.default_rng(0)
            items = torch.from_numpy(tasks.skewed(random, size["films"], size["users"] * K))
            items = items.view(-1, K)
        else:
            model, split = load()
            items = tasks.stream_top_k(model, torch.arange(split.n_users), split)
        function(model, split, items, clock)
    return Cost(clock.seconds(), len(clock.times) - 1, clock.parts, peak_mb() - start, start)


def run(task: str, size: dict[str, int] | None = None, budget: float = 1) -> Cost:
    """`run_here` in a process of its own."""
    command = [sys.executable, __file__, "--one", json.dumps([task, size, budget])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    cost = Cost(*json.loads(child.stdout))
    print(task, size or "the course's data", cost, file=sys.stderr, flush=True)
    return cost


def number(x: float) -> str:
    """Three digits: 0.123, 12.3, 1,230."""
    digits = 2 - int(np.floor(np.log10(x))) if x > 0 else 0
    return f"{round(x, digits):,.{max(0, digits)}f}"


def slope(x: list[int], y: list[float]) -> float:
    """Of the line through log y against log x: y grows like x to this power."""
    return float(np.polyfit(np.log(x), np.log(np.maximum(y, 1e-9)), 1)[0])


def factor_table(factor: str, points: list[int], costs: dict[str, list[Cost]]) -> list[str]:
    """Costs against one factor, and the slopes. `costs`: task -> one for each point."""
    head, rows = f"| {factor} |", [f"| {x:,} |" for x in points]
    fits = {"slope": slice(None), "slope, last two": slice(-2, None), "theory, in the limit": None}
    fits = {f"| **{name}** |": part for name, part in fits.items()}
    ends = dict.fromkeys(fits, "")
    for task, found in costs.items():
        head += f" {NAMES.get(task, task)}: s | MB |"
        for i, cost in enumerate(found):
            rows[i] += f" {seconds(cost)} | {number(cost.mb)} |"
        for name, part in fits.items():
            if part is None:
                values = THEORY[factor, task]
            else:
                values = [f"{slope(points[part], [getattr(c, unit) for c in found[part]]):.2f}"
                          for unit in ("seconds", "mb")]  # fmt: skip
            ends[name] += " {} | {} |".format(*values)
    rule = "|---" * (1 + 2 * len(costs)) + "|"
    return [head, rule, *rows, *(name + cells for name, cells in ends.items()), ""]


def seconds(cost: Cost) -> str:
    """The seconds; in brackets the number of parts they were estimated from, if not all."""
    return number(cost.seconds) + (f" ({cost.done})" if cost.done < cost.parts else "")


def growth(
    points: dict[str, list[int]], middle: dict[str, int], run: Callable[..., Cost]
) -> list[str]:
    """One table for each factor."""
    lines, known = [], {}
    for factor, values in points.items():
        costs = {}
        for task in [task for by, task in THEORY if by == factor]:
            costs[task] = []
            for value in values:
                size = {**middle, factor: value}
                key = task, *size.items()
                if key not in known:  # the middle is on three tables
                    # Everybody is scored once, to see that memory does not grow with the batches.
                    whole = factor == "users" and task == "scoring"
                    known[key] = run(task, size, 600 if whole else 1)
                costs[task].append(known[key])
        others = {"history": ["films"]}.get(factor, ["users", "films", "attributes"])
        fixed = ", ".join(f"{middle[name]:,} {name}" for name in others if name != factor)
        lines += [f"### Against {factor}: {fixed}", "", *factor_table(factor, values, costs)]
    return lines


def two_sizes(full: dict[str, int], run: Callable[..., Cost]) -> list[str]:
    """The course's own size next to the full one."""
    costs = {
        task: [run(task), run(task, full)]
        for task in ("training", "scoring", "explaining", "one_by_one")
    }
    lines = [f"### The course, and {full['users']:,} users, {full['films']:,} films", ""]
    lines += ["| | course: s | MB | full size: s | MB |", "|---|---|---|---|---|"]
    for task, pair in costs.items():
        cells = " | ".join(f"{seconds(cost)} | {number(cost.mb)}" for cost in pair)
        lines.append(f"| {NAMES.get(task, task)} | {cells} |")
    split = run("splitting", full)
    lines += [f"| `leave_one_out_split` | | | {seconds(split)} | {number(split.mb)} |", ""]
    for name, place in (("course's", 0), ("full", 1)):
        one = costs["one_by_one"][place]  # its parts are explanations
        batches = one.parts / costs["explaining"][place].seconds
        lines += [f"Explanations a second at the {name} size: **{number(batches)}** in batches, "
                  f"**{number(one.parts / one.seconds)}** one by one.", ""]  # fmt: skip
    step = costs["training"][1]
    lines += [f"At the full size a training step takes {number(step.seconds / step.parts)} s, an "
              f"epoch {number(step.seconds / 3600)} hours (estimated from {step.done} of "
              f"{step.parts:,} steps).", ""]  # fmt: skip
    return lines


def largest() -> list[str]:
    """How far `training.fit` as it is goes in 1 and 16 GB: predicted from two small runs, tried."""

    def size(films: float) -> dict[str, int]:
        return {"users": int(films * USERS / FILMS), "films": int(films)}

    small, large = run("whole_tables", size(700)), run("whole_tables", size(1400))
    a_cell = (large.mb - small.mb) / ((1400**2 - 700**2) * USERS / FILMS)
    fixed = small.start + small.mb - a_cell * 700**2 * USERS / FILMS
    lines = ["### Where tables of all users times all films end", ""]
    lines += ["| memory | users | films | peak, measured: MB |", "|---|---|---|---|"]
    for limit in (1, 16):
        of = size((0.93 * (1000 * limit - fixed) / a_cell * FILMS / USERS) ** 0.5)
        free = free_gb()
        peak = f"not run: {free:.0f} GB were free"
        if free > 1.05 * limit:
            cost = run("whole_tables", of)
            peak = f"{cost.start + cost.mb:,.0f}"
        lines.append(f"| {limit} GB | {of['users']:,} | {of['films']:,} | {peak} |")
    pairs = USERS * FILMS / 1e9
    text = (
        f"For each user and film `fit` holds {1e6 * a_cell:.0f} bytes, as two small runs tell. "
        f"MovieLens 32M has {USERS:,} × {FILMS:,} = {pairs:.1f} billion such pairs: "
        f"{pairs * a_cell * 1e3:.1f} TB. The table of `likes()` alone, 4 bytes a pair, would take "
        f"{4 * pairs:.0f} GB, that of `seen()`, 1 byte, {pairs:.0f} GB."
    )
    return [*lines, "", text, ""]


def measured(quick: bool) -> str:
    """The measured part of the page."""
    points = QUICK if quick else POINTS
    middle = {name: values[0] for name, values in QUICK.items()} if quick else MIDDLE
    full = {**middle, "users": points["users"][-1], "films": points["films"][-1]}
    one = (lambda task, size=None, _=None: run_here(task, size, 0.01)) if quick else run
    begin = time.perf_counter()
    lines = growth(points, middle, one) + two_sizes(full, one)
    if not quick:
        lines += largest()
        command = [sys.executable, str(ROOT / "studies" / "train_distributed.py")]
        shown = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        lines += ["### One process and two", "", "```", shown.strip(), "```", ""]
    minutes = (time.perf_counter() - begin) / 60
    first = (
        f"Measured on {date.today().isoformat()} by `python studies/scaling.py docs/scaling.md` "
        f"in {minutes:.0f} minutes: one thread of {machine()}, "
        f"float64, d_k = 128, {BATCH} users in a batch ({EXPLAINED} when explaining), "
        f"{RATINGS / USERS:.0f} ratings a user."
    )
    return "\n".join([BEGIN, "", first, "", *lines, END])


def around(page: Path) -> tuple[str, str]:
    """What stands before and after the measured part.

    Raises:
        SystemExit: the page has no such part.
    """
    text = page.read_text(encoding="utf-8")
    if not 0 <= text.find(BEGIN) < text.find(END):
        sys.exit(f"{page}: expected a line {BEGIN} and below it a line {END}")
    return text.split(BEGIN)[0], text.split(END)[1]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(run_here(*json.loads(sys.argv[2]))))
    elif len(sys.argv) == 2 or sys.argv[2:] == ["--quick"]:
        page = Path(sys.argv[1])
        before, after = around(page)
        page.write_text(before + measured(quick=len(sys.argv) == 3) + after, encoding="utf-8")
    else:
        sys.exit("Usage: python studies/scaling.py FILE.md [--quick]")
