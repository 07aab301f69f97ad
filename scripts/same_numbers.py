"""Run every notebook under many settings, and compare every stored number each time.

    python scripts/same_numbers.py docs/same-numbers.md [--only SETTING]        (make same-numbers)

One setting after the other, two minutes each. Works in a copy, so the notebooks stay as they are.
Some settings need Linux.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from budget import machine

ROOT = Path(__file__).parents[1]
PLAIN = "one thread"
# Passed to the kernels. Python's -W takes whole module names only, so each of ours is named.
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "recsys_utils").rglob("*.py"))
]
ONE = {"OMP_NUM_THREADS": "1"}
# PASSIVE: a thread that waits leaves its core to others.
TWO = {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}
SETTINGS: dict[str, dict[str, str]] = {
    PLAIN: ONE,
    "two threads": TWO,
    "no vector instructions": {**ONE, "ATEN_CPU_CAPABILITY": "default"},
    "AVX2 at most": {**ONE, "ATEN_CPU_CAPABILITY": "avx2"},
    "two threads, no vector instructions": {**TWO, "ATEN_CPU_CAPABILITY": "default"},
    "other working directory": ONE,
    "read-only checkout": ONE,
    "Turkish, time zone of Kiribati": {**ONE, "LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati"},
    "ASCII, time zone of Honolulu": {**ONE, "LC_ALL": "C", "TZ": "Pacific/Honolulu"},
    "warnings of our own code are errors": {
        **ONE,
        "PYTHONWARNINGS": ",".join(f"error:::{name}" for name in ["__main__", *MODULES]),
    },
}
# What must be true in a Python that is started so: a setting without effect would prove nothing.
PROOFS = {
    "two threads": "torch.get_num_threads() == 2",
    "no vector instructions": "torch.backends.cpu.get_cpu_capability() == 'DEFAULT'",
    "AVX2 at most": "torch.backends.cpu.get_cpu_capability() == 'AVX2'",
    "Turkish, time zone of Kiribati": "'tr_TR' in locale.setlocale(locale.LC_ALL, '') "
    "and time.timezone == -14 * 3600",
    "ASCII, time zone of Honolulu": "time.timezone == 10 * 3600",
    "warnings of our own code are errors": "sum(f[0] == 'error' for f in warnings.filters) > 20",
}
# A kernel starts in the notebook's folder. This line, run first in every kernel, moves it.
ELSEWHERE = "import os, tempfile; os.chdir(tempfile.mkdtemp())"


def prove(setting: str) -> None:
    """Make sure that the setting has an effect on this machine.

    Raises:
        RuntimeError: it has none: a locale that is not installed, a processor without AVX2.
    """
    proof = PROOFS.get(setting, "True")
    code = f"import locale, time, warnings, torch; assert {proof}"
    environment = {**os.environ, **SETTINGS[setting]}
    if subprocess.run([sys.executable, "-c", code], env=environment).returncode:
        raise RuntimeError(f"{setting}: not in effect on this machine, expected {proof}")


def command(setting: str, copy: Path) -> list[str]:
    """What is run in the copy: pytest with nbval, strict, as in `make test`."""
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    tests += sorted(map(str, (copy / "notebooks").glob("*.ipynb")))
    if setting == "read-only checkout":
        # Permissions do not stop an administrator; a read-only mount does.
        mount = f'mount --bind "{copy}" "{copy}" && mount -o remount,ro,bind "{copy}"'
        return ["unshare", "-m", "sh", "-c", f'{mount} && cd "{copy}" && exec "$@"', "sh", *tests]
    return tests


def run(setting: str, copy: Path) -> tuple[bool, float, str]:
    """Run all notebooks once: whether all numbers were the stored ones, seconds, what was said."""
    environment = {**os.environ, **SETTINGS[setting], "PYTHONPATH": str(copy)}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    with tempfile.TemporaryDirectory() as profile:
        if setting == "other working directory":
            startup = Path(profile) / "profile_default" / "startup"
            startup.mkdir(parents=True)
            (startup / "elsewhere.py").write_text(ELSEWHERE, encoding="utf-8")
            environment["IPYTHONDIR"] = profile
        begin = time.perf_counter()
        done = subprocess.run(
            command(setting, copy), cwd=copy, env=environment, capture_output=True, text=True
        )
    return done.returncode == 0, time.perf_counter() - begin, done.stdout + done.stderr


def plan(only: str | None) -> list[str]:
    """The settings in the order they are run."""
    if only:
        return [only]
    return list(SETTINGS)


def page(results: list[tuple[str, bool]]) -> str:
    """docs/same-numbers.md."""
    rows = []
    for setting in SETTINGS:
        runs = [passed for name, passed in results if name == setting]
        rows.append(f"| {setting} | {len(runs)} | {sum(runs)} |")
    return "\n".join(
        [
            "# The same numbers everywhere",
            "",
            f"Measured on {date.today().isoformat()} by `make same-numbers`: {machine()}.",
            "",
            "Each run executes all notebooks from top to bottom and compares "
            "every stored output but timings and pictures, to the last digit printed. The network "
            f"is off. {len(results)} runs, one after the other:",
            "",
            "| setting | runs | all numbers the same |",
            "|---|---|---|",
            *rows,
            "",
            "Models are trained in float64. Threads and vector instructions add in another order, "
            "which changes the 16th digit; after training it is still far behind the digits that "
            "are printed.",
            "",
        ]
    )


def main() -> None:
    """Run the plan, write the page, and say what failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--only", choices=list(SETTINGS))
    options = parser.parse_args()
    results, faults = [], []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "course"
        leave_out = shutil.ignore_patterns(".git", ".venv", "__pycache__", "progress.json")
        shutil.copytree(ROOT, copy, ignore=leave_out)
        settings = plan(options.only)
        for setting in dict.fromkeys(settings):
            prove(setting)
        for number, setting in enumerate(settings, start=1):
            passed, seconds, said = run(setting, copy)
            results.append((setting, passed))
            print(
                f"{number}. {setting}: {'same' if passed else 'NOT'}, {seconds:.0f} s", flush=True
            )
            if not passed:
                faults.append(f"{setting}:\n{said[-5000:]}")
    if faults:
        sys.exit("\n\n".join(faults))
    if not options.only:
        options.page.write_text(page(results), encoding="utf-8")
        print(f"All the same. Table: {options.page}")


if __name__ == "__main__":
    main()
