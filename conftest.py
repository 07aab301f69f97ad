"""For all tests and all notebooks: the network is off, in kernels and subprocesses as well."""

import importlib.util
import os
import warnings
from pathlib import Path

GUARD = Path(__file__).parent / "tests" / "guard"

os.environ["PYTHONPATH"] = os.pathsep.join(
    part for part in (str(GUARD), os.environ.get("PYTHONPATH")) if part
)
# `make test` starts the tests; a make that a test starts is not its child and prints no more.
for name in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS"):
    os.environ.pop(name, None)
# This process has started already.
_spec = importlib.util.spec_from_file_location("network_guard", GUARD / "sitecustomize.py")
_spec.loader.exec_module(importlib.util.module_from_spec(_spec))


START = Path.cwd()


def pytest_runtest_logfinish(nodeid: str) -> None:
    """Who leaves the working directory is named; the tests after it still find their files."""
    if not Path(".").exists() or Path.cwd() != START:
        warnings.warn(f"{nodeid} left the working directory", stacklevel=1)
        os.chdir(START)
