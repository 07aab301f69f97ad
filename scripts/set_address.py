"""Tell the course its public address, and make everything that depends on it.

    python scripts/set_address.py https://github.com/OWNER/NAME

The address stands in pyproject.toml ([project.urls], Repository). From there come, in README.md,
the badges (after the comment `<!-- launch -->`) and what follows `git clone`; a launch line in the
first cell of every notebook; and `repository-code` in CITATION.cff. Run it again with another
address, or after adding a notebook: it replaces what is there, and a second run changes nothing.
"""

import re
import sys
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
BRANCH = "main"
ADDRESS = r"https://github\.com/([A-Za-z0-9][A-Za-z0-9-]*)/([A-Za-z0-9._-]+)"
FIRST = "notebooks/01_background.ipynb"
MARKER = "<!-- launch -->"
LAUNCH = "**Launch:** "  # how the line in a notebook begins


class AddressError(ValueError):
    """Not an address this script can work with, or a file without a place for it."""


def binder(address: str, path: str) -> str:
    """Opens the file in JupyterLab on Binder."""
    owner, name = re.fullmatch(ADDRESS, address).groups()
    return f"https://mybinder.org/v2/gh/{owner}/{name}/{BRANCH}?urlpath=lab/tree/{path}"


def colab(address: str, path: str) -> str:
    """Opens the notebook in Colab, which knows nothing of the rest of the repository."""
    owner, name = re.fullmatch(ADDRESS, address).groups()
    return f"https://colab.research.google.com/github/{owner}/{name}/blob/{BRANCH}/{path}"


def check(address: str) -> str:
    """The address, if it is one.

    Raises:
        AddressError: it is not https://github.com/OWNER/NAME.
    """
    found = re.fullmatch(ADDRESS, address)
    if not found or found[2].endswith(".git"):
        wanted = "https://github.com/OWNER/NAME, without .git and without a slash at the end"
        raise AddressError(f"expected {wanted}, got {address!r}")
    return address


def in_pyproject(text: str, address: str) -> str:
    """pyproject.toml with the address: the one place where it stands."""
    line = f'Repository = "{address}"'
    if "Repository" in tomllib.loads(text)["project"].get("urls", {}):
        text = re.sub(r"^Repository\s*=.*$", lambda _: line, text, flags=re.M)
    elif "\n[project.urls]\n" in text:
        text = text.replace("\n[project.urls]\n", f"\n[project.urls]\n{line}\n")
    else:
        text = text.replace("\n[tool.", f"\n[project.urls]\n{line}\n\n[tool.", 1)
    return text


def in_readme(text: str, address: str) -> str:
    """README.md with two badges in the lines after the marker, and the address to clone from."""
    for line, what in ((MARKER, "badges go below it"), ("### Colab", "launch lines lead there")):
        if f"\n{line}\n" not in text:
            raise AddressError(f"README.md has no line {line!r}: {what}")
    badges = [
        MARKER,
        f"[![Launch on Binder](https://mybinder.org/badge_logo.svg)]({binder(address, FIRST)})",
        "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"({colab(address, FIRST)})",
    ]
    pattern = rf"{re.escape(MARKER)}(\n\[!\[.*)*"
    text = re.sub(pattern, lambda _: "\n".join(badges), text, count=1)
    return re.sub(rf"(git clone[^\n]*? ){ADDRESS}", lambda found: found[1] + address, text)


def in_citation(text: str, address: str) -> str:
    """CITATION.cff with the field repository-code, before the licence."""
    text = re.sub(r"^repository-code:.*\n", "", text, flags=re.M)
    return re.sub(r"^license:", f'repository-code: "{address}"\nlicense:', text, flags=re.M)


def in_notebook(text: str, path: str, address: str) -> str:
    """A notebook with the launch line under the links of its first cell; all else byte for byte."""
    notebook = nbformat.reads(text, as_version=4)
    if as_stored(notebook) != text:
        raise AddressError(f"{path} is not stored as we store it: run `make notebooks` first")
    ways = f"[on Binder]({binder(address, path)}) | [in Colab]({colab(address, path)})"
    # Colab has no ../README.md, so this link goes to the front page.
    line = f"{LAUNCH}{ways} ([its first step]({address}#colab))"
    paragraphs = notebook.cells[0].source.split("\n\n")
    paragraphs = [part for part in paragraphs if not part.startswith(LAUNCH)]
    links = next((i for i, part in enumerate(paragraphs) if "(../README.md)" in part), None)
    if links is None:
        raise AddressError(f"{path}: the first cell has no link to ../README.md")
    paragraphs.insert(links + 1, line)
    notebook.cells[0].source = "\n\n".join(paragraphs)
    return as_stored(notebook)


def as_stored(notebook: nbformat.NotebookNode) -> str:
    """The text of the file, as nbformat.write makes it."""
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def set_address(address: str, root: Path = ROOT) -> list[str]:
    """Write the address everywhere. Returns the files that changed.

    Raises:
        AddressError: see `check`, or a file has no place for it. Then nothing was written.
    """
    check(address)
    changes = {"pyproject.toml": in_pyproject, "README.md": in_readme, "CITATION.cff": in_citation}
    new = {}
    for name, change in changes.items():
        new[name] = change((root / name).read_text(encoding="utf-8"), address)
    for book in sorted((root / "notebooks").glob("*.ipynb")):
        path = f"notebooks/{book.name}"
        new[path] = in_notebook(book.read_text(encoding="utf-8"), path, address)
    changed = [name for name in new if new[name] != (root / name).read_text(encoding="utf-8")]
    for name in changed:
        (root / name).write_text(new[name], encoding="utf-8", newline="\n")
    return changed


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python scripts/set_address.py https://github.com/OWNER/NAME")
    try:
        print("\n".join(set_address(sys.argv[1])) or "Nothing to change.")
    except AddressError as error:
        sys.exit(f"Nothing was changed: {error}")
