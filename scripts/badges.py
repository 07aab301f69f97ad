"""Put the public address on README: badges below `<!-- launch -->`, and what follows `git clone`.

    python scripts/badges.py https://github.com/OWNER/NAME

Once, when the repository has an address; again when it moves. Everything else (the book's launch
buttons, its links into the repository) takes the address from the workflow that publishes it.
"""

import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
ADDRESS = r"https://github\.com/([\w-]+)/([\w.-]+)"
MARKER = "<!-- launch -->\n"
BADGE = "https://img.shields.io/badge/"


def owner_and_name(address: str) -> tuple[str, str]:
    """The two parts of the address of a repository.

    Raises:
        ValueError: not an address of this form.
    """
    found = re.fullmatch(ADDRESS, address)
    if not found or address.endswith(".git"):
        raise ValueError(f"expected https://github.com/OWNER/NAME, got {address!r}")
    return found.groups()


def with_address(text: str, address: str) -> str:
    """The text of README with the address, in place of an older one.

    Raises:
        ValueError: not an address of this form, or README has no marker.
    """
    owner, name = owner_and_name(address)
    if MARKER not in text:
        raise ValueError(f"README.md has no line {MARKER.strip()!r}: badges go below it")
    book = f"https://{owner}.github.io/{name}/"
    binder = f"https://mybinder.org/v2/gh/{owner}/{name}/main?urlpath=lab/tree/README.md"
    badges = {
        f"[![Pick films, see why]({BADGE}pick%20films-see%20why-542788)]": f"{book}pick/",
        f"[![Read the book]({BADGE}read-the%20book-542788)]": book,
        "[![Launch on Binder](https://mybinder.org/badge_logo.svg)]": binder,
    }
    lines = "".join(f"{badge}({link})\n" for badge, link in badges.items())
    text = re.sub(rf"{MARKER}(\[!\[.*\n)*", lambda _: MARKER + lines, text)
    return re.sub(rf"(git clone[^\n]*? ){ADDRESS}", lambda clone: clone[1] + address, text)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python scripts/badges.py https://github.com/OWNER/NAME")
    try:
        new = with_address(README.read_text(encoding="utf-8"), sys.argv[1])
    except ValueError as error:
        sys.exit(f"Nothing was changed: {error}")
    README.write_text(new, encoding="utf-8", newline="\n")
