"""`python -m recsys_utils.doctor`: each fault has its own line, and the others stay as they are."""

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from packaging.requirements import Requirement

from recsys_utils import doctor, tables

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def well(monkeypatch):
    """A machine with nothing to be done, whatever this one is like, and no kernel started."""
    monkeypatch.setattr(doctor, "free_memory", lambda: 2000.0)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    checks = [check for check in doctor.CHECKS if check is not doctor.check_kernel]
    monkeypatch.setattr(doctor, "CHECKS", checks)
    return monkeypatch


def seen(capsys) -> tuple[int, list[str], list[str]]:
    """Exit code, the lines that are not OK, and the lines that are."""
    code = doctor.main()
    *lines, last = capsys.readouterr().out.splitlines()
    assert all(re.match(r"(OK|DO|\?|TIP) ", line) for line in lines)
    bad = [line for line in lines if not line.startswith("OK ")]
    todo = [line for line in bad if line.startswith("DO ")]
    assert last == (f"{len(todo)} to do: start with the first." if todo else "All is well.")
    assert code == (1 if todo else 0)
    return code, bad, [line for line in lines if line not in bad]


def only_fault(capsys) -> str:
    """The one line that says what to do."""
    code, bad, good = seen(capsys)
    assert code == 1 and len(bad) == 1 and good, bad
    return bad[0]


@pytest.fixture
def versions(well):
    """Pretend that a package has another version, or None: that it is missing."""
    real = importlib.metadata.version

    def pretend(name: str, other: str | None) -> None:
        def version(asked: str) -> str:
            if asked != name:
                return real(asked)
            if other is None:
                raise importlib.metadata.PackageNotFoundError(asked)
            return other

        well.setattr(doctor, "version", version)

    return pretend


@pytest.fixture
def data(well, tmp_path):
    """A copy of the data files that may be damaged."""
    folder = shutil.copytree(ROOT / "data", tmp_path / "data")
    well.setattr(doctor, "DATA", folder)
    return folder


def test_all_is_well(well, capsys):
    code, bad, good = seen(capsys)
    assert code == 0 and bad == []
    text = "\n".join(good)
    for line in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["lab"]:
        assert f"OK  {Requirement(line).name} " in text
    for words in ("Python 3", "data/ratings.csv", "data/movies.csv", "2000 MB", "written to"):
        assert f"{words}" in text
    assert not re.search(r"hypothesis|ruff|nbval", text), "what only the tests need"


def test_the_installed_bounds_are_those_of_pyproject():
    """The doctor reads the installed metadata; after a change, install again."""
    wanted = PROJECT["dependencies"] + [
        f'{line}; extra == "{extra}"'
        for extra, lines in PROJECT["optional-dependencies"].items()
        for line in lines
    ]
    found = importlib.metadata.requires(doctor.PACKAGE)
    assert sorted(map(str, map(Requirement, found))) == sorted(map(str, map(Requirement, wanted)))
    assert (
        importlib.metadata.metadata(doctor.PACKAGE)["Requires-Python"]
        == (PROJECT["requires-python"])
    )


def test_an_old_python_is_the_only_thing_said(well, capsys):
    """Also where nothing is installed: no package of the course can be, there."""
    well.setattr(doctor.sys, "version_info", (3, 10, 4))
    for package in (doctor.PACKAGE, "no-such-package"):
        well.setattr(doctor, "PACKAGE", package)
        assert seen(capsys) == (
            1,
            [
                "DO  Python 3.10.4 is too old, 3.11 or newer is needed: install it, then "
                f"{doctor.INSTALL}"
            ],
            [],
        )


def test_the_oldest_python_is_that_of_pyproject():
    assert PROJECT["requires-python"] == ">={}.{}".format(*doctor.NEEDED_PYTHON)


def other_environment(well, folder, python="bin/python") -> Path:
    """The environment that `make lab` would have made, while the doctor runs in another."""
    made = folder / ".venv" / python
    made.parent.mkdir(parents=True)
    made.touch()
    well.setattr(doctor, "VENV", folder / ".venv")
    well.setattr(doctor, "IN_VENV", False)
    return made


@pytest.mark.parametrize("version_info", [(3, 9, 2), sys.version_info[:3]])
def test_beside_the_course_s_environment_another_python_is_sent_there(
    versions, well, capsys, tmp_path, version_info
):
    """Everything is missing in it: nine false alarms."""
    python = other_environment(well, tmp_path)
    well.setattr(doctor.sys, "version_info", version_info)
    versions("torch", None)
    code, bad, good = seen(capsys)
    assert code == 1 and good == []
    assert bad == [
        "DO  the course has its own Python in .venv, and this is another: run make doctor, "
        f'or "{python}" -m recsys_utils.doctor'
    ]


def test_an_environment_of_one_s_own_beside_it_is_as_good(well, capsys, tmp_path):
    other_environment(well, tmp_path)
    assert seen(capsys)[:2] == (0, [])


def test_in_the_course_s_environment_all_its_checks_are_made(versions, well, capsys, tmp_path):
    other_environment(well, tmp_path)
    well.setattr(doctor, "IN_VENV", True)
    versions("torch", None)
    assert only_fault(capsys).startswith("DO  torch is missing")


def test_make_doctor_runs_in_the_environment_that_make_lab_made(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()

    def command() -> str:
        asked = ["make", "-n", "doctor", "PYTHON=other-python"]
        return subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True).stdout.strip()

    assert command() == "other-python -m recsys_utils.doctor"
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").touch()
    assert command() == ".venv/bin/python -m recsys_utils.doctor"


def test_an_old_python_can_read_the_doctor():
    ast.parse((ROOT / "recsys_utils" / "doctor.py").read_text("utf-8"), feature_version=(3, 9))


@pytest.mark.parametrize(
    "line",
    PROJECT["dependencies"] + PROJECT["optional-dependencies"]["lab"],
    ids=lambda line: Requirement(line).name,
)
@pytest.mark.parametrize("other", [None, "0.0.1", "99.0"])
def test_a_package_that_is_missing_or_does_not_fit(versions, capsys, line, other):
    need = Requirement(line)
    versions(need.name, other)
    what = f"{other} does not fit, {need.specifier} is needed" if other else "is missing"
    install = f'{doctor.PIP} "{need.name}{need.specifier}"'
    assert only_fault(capsys) == f"DO  {need.name} {what}: {install}"


def test_builds_for_cpu_and_previews_within_the_bounds_fit(versions, capsys):
    versions("torch", "2.13.0+cpu")
    assert seen(capsys)[0] == 0
    versions("pandas", "3.2.0rc1")
    assert seen(capsys)[0] == 0


def test_leftovers_of_a_package(versions, capsys):
    """Python finds a folder of metadata without a version there."""
    versions("tqdm", "")
    assert only_fault(capsys).startswith("DO  tqdm is missing")


def test_the_package_is_not_installed(well, capsys):
    well.setattr(doctor, "PACKAGE", "no-such-package")
    assert only_fault(capsys) == f"DO  the course's package is not installed; {doctor.INSTALL}"
    assert "make lab" in doctor.INSTALL and "pip install -e" in doctor.INSTALL


def test_data_that_are_missing(data, capsys):
    (data / "movies.csv").unlink()
    assert only_fault(capsys) == "DO  data/movies.csv is missing: get the folder data again"


def test_data_that_were_changed(data, capsys):
    with (data / "ratings.csv").open("a") as file:
        file.write("1,1,5.0,0\n")
    assert only_fault(capsys).startswith("DO  data/ratings.csv is not the file of the course")


@pytest.mark.parametrize("damage", ["missing", "without checksums"])
def test_a_datasheet_without_checksums(data, capsys, damage):
    sheet = data / "README.md"
    sheet.unlink() if damage == "missing" else sheet.write_text("# The data", encoding="utf-8")
    assert only_fault(capsys).startswith(f"DO  no checksums in {sheet}")


def test_every_data_file_has_a_checksum():
    names = {line.text for line in doctor.check_data()}
    assert names == {f"data/{path.name}" for path in (ROOT / "data").glob("*.csv")}


def test_little_memory(well, capsys):
    well.setattr(doctor, "free_memory", lambda: 899.6)
    assert only_fault(capsys).startswith("DO  only 900 MB of memory are free, 900 are needed")


def test_memory_unknown_is_no_fault(well, capsys):
    well.setattr(doctor, "free_memory", lambda: None)
    code, bad, _ = seen(capsys)
    assert code == 0 and bad == ["?   free memory: cannot tell; 900 MB are needed"]


def test_free_memory_is_what_the_system_says(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "CGROUP", tmp_path)
    free = SimpleNamespace(available=3_000_000_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    assert doctor.free_memory() == 3000
    (tmp_path / "memory.max").write_text("max\n")
    assert doctor.free_memory() == 3000
    (tmp_path / "memory.max").write_text("2000000000\n")
    (tmp_path / "memory.current").write_text("1500000000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 100000000\n")
    assert doctor.free_memory() == 600
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert doctor.free_memory() is None


def test_threads_are_a_tip_and_no_fault(well, capsys):
    for value, words in (("4", "is 4"), (None, "is not set")):
        well.setenv("OMP_NUM_THREADS", value) if value else well.delenv("OMP_NUM_THREADS")
        code, bad, _ = seen(capsys)
        assert code == 0 and len(bad) == 1 and bad[0].startswith(f"TIP OMP_NUM_THREADS {words}:")


def test_a_folder_that_cannot_be_written_to(well, capsys):
    def refuse(dir):
        raise PermissionError(13, "Permission denied")

    well.setattr(doctor.tempfile, "TemporaryFile", refuse)
    said = "notebooks cannot be written to (Permission denied): copy the notebooks to"
    assert said in only_fault(capsys)


def test_without_the_course_s_folder_notebooks_are_saved_where_you_are(well, capsys, tmp_path):
    well.setattr(doctor, "NOTEBOOKS", tmp_path / "nowhere")
    well.chdir(tmp_path)
    assert f"OK  the folder {tmp_path.name} can be written to" in seen(capsys)[2]


def test_writing_leaves_nothing_behind(well, tmp_path):
    well.setattr(doctor, "NOTEBOOKS", tmp_path)
    assert doctor.check_writing()[0].sign == "OK" and not list(tmp_path.iterdir())


@pytest.fixture
def kernel(well, tmp_path):
    """Put another program in the place of the kernel."""
    well.setattr(doctor, "CHECKS", [doctor.check_python, doctor.check_kernel])

    def replace(program: str) -> None:
        real = KernelSpecManager().get_kernel_spec("python3")
        real.argv = [sys.executable, "-c", program, "{connection_file}"]
        well.setattr(KernelSpecManager, "get_kernel_spec", lambda self, name: real)

    return replace


def test_a_kernel_starts_and_answers(kernel, capsys):
    assert seen(capsys)[2][-2:] == [
        "OK  a kernel starts and answers",
        "OK  in it the packages can be imported and the data loaded",
    ]


def test_no_kernel(kernel, well, capsys):
    def missing(self, name):
        raise NoSuchKernel(name)

    well.setattr(KernelSpecManager, "get_kernel_spec", missing)
    line = only_fault(capsys)
    assert line.startswith("DO  no kernel starts and answers (No such kernel named python3)")
    assert line.endswith("install --force-reinstall ipykernel")


def test_a_kernel_that_dies(kernel, capsys):
    kernel("raise SystemExit(3)")
    assert only_fault(capsys).startswith("DO  no kernel starts and answers (Kernel died")


def test_a_kernel_that_never_answers(kernel, well, capsys):
    kernel("import time; time.sleep(60)")
    well.setattr(doctor, "KERNEL_SECONDS", 2)
    begin = time.monotonic()
    assert only_fault(capsys).startswith("DO  no kernel starts and answers (Kernel didn't respond")
    assert time.monotonic() - begin < 5
    assert not [p for p in psutil.Process().children() if "sleep(60)" in " ".join(p.cmdline())]


def kernel_after(program: str) -> str:
    """A kernel that runs a program before it starts."""
    return f"import sys; sys.argv[1:] = ['-f', sys.argv[1]]\n{program}\n" + (
        "from ipykernel.kernelapp import launch_new_instance; launch_new_instance()"
    )


def test_a_kernel_of_another_python(kernel, capsys):
    """It runs, but the course's package is not there."""
    kernel(kernel_after("sys.modules['recsys_utils'] = None"))
    line = only_fault(capsys)
    assert line.startswith("DO  import recsys_utils fails in a kernel (ModuleNotFoundError: ")
    assert line.endswith("it belongs to another Python: python -m ipykernel install --sys-prefix")


def broken_package(folder: Path, name: str, program: str) -> str:
    """A kernel in which a package is installed, but importing it runs this program."""
    (folder / f"{name}.py").write_text(program, encoding="utf-8")
    return kernel_after(f"sys.path.insert(0, {str(folder)!r})")


@pytest.mark.parametrize("name", ["numpy", "pandas", "matplotlib", "torch", "ipywidgets"])
def test_a_package_that_is_there_but_cannot_be_imported(kernel, capsys, tmp_path, name):
    program = "raise ImportError('libcudnn.so.9: cannot open shared object file')"
    kernel(broken_package(tmp_path, name, program))
    line = only_fault(capsys)
    assert re.match(
        rf"DO  import {name}\S* fails in a kernel \(ImportError: libcudnn\.so\.9: cannot", line
    )
    needs = next(need for need in PROJECT["dependencies"] if need.startswith(name))
    found = re.search(r'--force-reinstall --no-deps "([^"]+)"', line)[1]
    assert Requirement(found) == Requirement(needs)
    assert ("download.pytorch.org/whl/cpu" in line) == (name == "torch" and sys.platform == "linux")


def test_a_package_that_ends_the_kernel(kernel, capsys, tmp_path):
    """As a second OpenMP library does it, without a word in Python."""
    kernel(broken_package(tmp_path, "torch", "import os; os.abort()"))
    line = only_fault(capsys)
    assert line.startswith("DO  import torch ends the kernel: ") and "--force-reinstall" in line


def test_a_package_whose_import_does_not_end(kernel, well, capsys, tmp_path):
    kernel(broken_package(tmp_path, "torch", "import time; time.sleep(60)"))
    well.setattr(doctor, "IMPORT_SECONDS", 4)
    assert only_fault(capsys) == ("DO  import torch takes more than 4 s in a kernel: try again")


def test_data_that_cannot_be_read_in_the_kernel(kernel, capsys, tmp_path):
    program = "import recsys_utils.tables as t, pathlib; t.DATA = pathlib.Path('/nowhere')"
    kernel(kernel_after(f"{program}; sys.modules.pop('recsys_utils.data', None)"))
    line = only_fault(capsys)
    assert line.startswith("DO  loading the data fails in a kernel (DataError: movies.csv: ")
    assert line.endswith(doctor.INSTALL)


def test_a_fault_of_the_doctor_is_a_line(well, capsys):
    def check_nothing():
        raise RuntimeError("two\nlines")

    well.setattr(doctor, "CHECKS", [*doctor.CHECKS, check_nothing])
    line = only_fault(capsys)
    assert line == r"DO  check_nothing failed, please report it: RuntimeError('two\nlines')"


def test_every_finding_is_one_line(well, capsys):
    well.setattr(doctor, "CHECKS", [lambda: [doctor.Line("DO", "a kernel\nsaid   this")]])
    assert doctor.main() == 1
    assert capsys.readouterr().out == "DO  a kernel said this\n1 to do: start with the first.\n"


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (["torch", "pandas", "numpy", "matplotlib"], None),
        (["packaging"], "packaging is missing, which compares versions"),
        (["jupyter_client"], "jupyter_client is missing, so no notebook can run"),
    ],
)
def test_it_runs_where_packages_cannot_be_imported(missing, words):
    """As a learner starts it: within the time promised, no traceback."""
    program = f"import sys; sys.modules.update(dict.fromkeys({missing})); import runpy; "
    program += "runpy.run_module('recsys_utils.doctor', run_name='__main__')"
    begin = time.monotonic()
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert time.monotonic() - begin < 10
    assert run.stderr == "" and "OK  data/ratings.csv" in run.stdout
    assert words is None or f"DO  {words}" in run.stdout
    assert words is None or run.returncode == 1


def test_it_imports_nothing_heavy_and_opens_no_connection():
    """The guard in tests/guard refuses connections elsewhere: there is no line about one."""
    assert doctor.DATA == tables.DATA
    program = (
        "import sys, recsys_utils.doctor as d; code = d.main(); "
        "print([m for m in ('torch', 'pandas', 'numpy', 'matplotlib') if m in sys.modules])"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.stdout.splitlines()[-1] == "[]", run.stdout + run.stderr
    assert "network" not in run.stdout
