"""Run every study; what is stored already is not run again: `make studies`."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAMES = [
    "film_dropout",
    "accuracy",
    "dimensions",
    "scale",
    "stability",
    "cold_start",
    "planted_bug",
    "worlds",
    "support",
    "noise_tags",
    "steps_and_seconds",
    "five_models",
    "adversary",
    "frozen_weights",
    "next_film",
    "latest_film",
    "carries_over",
]


def main() -> None:
    """One after the other; stop at the first that fails."""
    for number, name in enumerate(NAMES, start=1):
        print(f"study {number} of {len(NAMES)}: {name}", file=sys.stderr)
        command = [sys.executable, str(HERE / f"{name}.py"), *sys.argv[1:]]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
