"""For the tests in a browser: Chromium, and JupyterLab on a copy of the notebooks.

`make test-browser` runs them; the ordinary `pytest` does not. If something is missing they fail and
say what to install.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
# No request of the browser's own, and no name of another machine can be looked up.
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
            "--disable-background-networking", "--disable-component-update",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]  # fmt: skip
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # All cells are drawn at once: what is not drawn cannot be looked at. No question about kernels.
    "notebook-extension/tracker": {"windowingMode": "none", "autoStartDefaultKernel": True},
}


class Lab(NamedTuple):
    """A running JupyterLab: its address, its secret, the folder it shows."""

    address: str
    token: str
    folder: Path

    def ask(self, method: str, path: str) -> list | dict | None:
        """Ask the server's own interface: the kernels, the sessions."""
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.address}/{path}", method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or "null")


@pytest.fixture(scope="module")
def browser():
    """Chromium, driven by Playwright, which can be started only once at a time."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.fail("Playwright is missing. Install it: pip install playwright", pytrace=False)
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.fail("Chromium is missing. Install it: apt-get install chromium", pytrace=False)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=CHROMIUM)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def book(tmp_path_factory):
    """The book, built as `make site` builds it; a warning of Sphinx is an error."""
    folder = tmp_path_factory.mktemp("book") / "html"
    command = [sys.executable, "-m", "sphinx", "-qW", "--keep-going", "-c", "book", ".", folder]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return folder


class Page:
    """A page in a window, and all it asked for and complained about. Else as Playwright's."""

    def __init__(self, page, address: str) -> None:
        self.page, self.asked, self.complaints = page, [], []
        page.set_default_timeout(120_000)  # a busy machine is no fault of the page
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("requestfailed", lambda request: self.complaints.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self.hear)
        page.goto(address)
        page.add_style_tag(content="* { transition: none !important; }")  # colours change at once
        page.evaluate("document.querySelectorAll('img').forEach(i => { i.loading = 'eager'; })")
        page.wait_for_function("[...document.images].every(i => i.complete)")
        page.wait_for_function("!window.MathJax || MathJax.startup.promise.then(() => true)")

    def __getattr__(self, name: str):
        return getattr(self.page, name)

    def hear(self, message) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def foreign(self, folder: Path) -> list[str]:
        """What was asked for outside of a folder."""
        assert self.asked, "nothing was asked for at all"
        return [url for url in self.asked if not url.startswith((folder.as_uri(), "data:"))]

    def sideways(self) -> int:
        """By how many pixels the page is wider than its window."""
        return self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )


@pytest.fixture
def visit(browser):
    """Opens an address in a window of a size and colour scheme."""
    contexts = []

    def opened(address: str, width: int, height: int, scheme: str = "light") -> Page:
        size = {"width": width, "height": height}
        context = browser.new_context(viewport=size, color_scheme=scheme)
        contexts.append(context)
        return Page(context.new_page(), address)

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def barriers():
    """Looks with axe-core for what shuts somebody out of a page."""
    path = Path(os.environ.get("BOOK_NPM", ROOT / ".venv" / "npm")) / "axe-core" / "axe.min.js"
    if not path.is_file():
        pytest.fail(f"no axe-core at {path}: `make test-browser` brings it", pytrace=False)
    program = path.read_text(encoding="utf-8")
    # The inside of a formula is MathJax's picture of it, hidden from screen readers.
    look = "rules => axe.run({exclude: ['mjx-container']}, {runOnly: rules, preload: false})"

    def found(page: Page, *, colours_only: bool = False) -> list[tuple]:
        page.evaluate(program)
        result = page.evaluate(look, ["color-contrast"] if colours_only else RULES)
        enough = 1 if colours_only else 20
        assert len(result["passes"]) >= enough, "axe-core has hardly looked"
        faults = [
            (fault["id"], node["target"], node["failureSummary"])
            for fault in result["violations"]
            if fault["impact"] in ("serious", "critical")
            for node in fault["nodes"]
        ]
        return faults[:5]

    return found


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """JupyterLab on this machine only, with settings of its own, on a copy of the notebooks."""
    folder, own = tmp_path_factory.mktemp("course"), tmp_path_factory.mktemp("jupyter")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    shutil.copy(ROOT / "README.md", folder)
    for name, setting in SETTINGS.items():
        extension, plugin = name.split("/")
        path = own / "settings" / "@jupyterlab" / extension / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(setting), encoding="utf-8")
    places = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime",
              "JUPYTER_DATA_DIR": "data", "JUPYTERLAB_SETTINGS_DIR": "settings",
              "JUPYTERLAB_WORKSPACES_DIR": "workspaces", "IPYTHONDIR": "ipython"}  # fmt: skip
    environment = os.environ | {name: str(own / part) for name, part in places.items()}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = Lab(f"http://127.0.0.1:{port}", secrets.token_hex(8), folder)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
               "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
               f"--IdentityProvider.token={running.token}", f"--ServerApp.root_dir={folder}",
               "--LabApp.news_url=None",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]  # fmt: skip
    log = own / "log.txt"
    with log.open("w") as output:
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        for _ in range(240):
            if server.poll() is not None:
                break
            try:
                running.ask("GET", "api/status")
                break
            except urllib.error.URLError:
                time.sleep(0.5)
        else:
            server.kill()
        if server.poll() is not None:
            pytest.fail(f"JupyterLab does not start:\n{log.read_text()[-2000:]}", pytrace=False)
        yield running
    finally:
        server.terminate()  # it ends its kernels
        server.wait(30)
