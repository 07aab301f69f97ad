"""Make the website of the course: static pages that load nothing from another machine.

    python scripts/build_site.py site

README.md becomes the front page; each notebook (not the solutions) and each page of docs/ becomes
a page. nbconvert's Markdown, latex2mathml's formulas and BeautifulSoup do the work; what stands
here joins them. The look is in scripts/site_theme/.
"""

import base64
import html
import os
import re
import shutil
import struct
import sys
import textwrap
import tomllib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import jinja2
import nbformat
from bs4 import BeautifulSoup, Tag
from latex2mathml.converter import convert
from nbconvert.filters import Highlight2HTML, ansi2html
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

ROOT = Path(__file__).resolve().parents[1]
THEME = Path(__file__).parent / "site_theme"
MARK = "scripts/build_site.py"  # in every page's <meta name="generator">
ALIASES = {r"\arg\min": r"\mathrm{arg\,min}"}  # what latex2mathml writes otherwise
LONG = 40  # characters: a formula, or a cell of a table, that needs room
COPIED = {"", ".cff", ".csv", ".txt"}  # files that pages link to and that go into the site


def sources() -> list[Path]:
    """What becomes a page, in reading order, as paths from the root."""
    patterns = ["README.md", "notebooks/*.ipynb", "docs/*.md", "data/README.md", "CONTRIBUTING.md"]
    return [p.relative_to(ROOT) for pattern in patterns for p in sorted(ROOT.glob(pattern))]


def address(source: Path) -> Path:
    """Where the page of a source file stands in the site."""
    return (
        source.with_name("index.html") if source.stem == "README" else source.with_suffix(".html")
    )


def mathml(tex: str, display: str) -> str:
    """A formula as MathML, which browsers draw themselves.

    Raises:
        ValueError: latex2mathml cannot read it, or does not know a command in it.
    """
    known = tex.strip()
    for command, alias in ALIASES.items():
        known = known.replace(command, alias)
    try:
        soup = BeautifulSoup(convert(known, display=display), "html.parser")
    except Exception as error:  # it has a dozen kinds, without a common one
        raise ValueError(f"a formula that cannot be read: {tex.strip()!r} ({error!r})") from error
    if unknown := re.search(r"\\\w+", soup.get_text()):
        raise ValueError(f"a formula with an unknown command {unknown[0]}: {tex.strip()!r}")
    soup.math["alttext"] = tex.strip()
    for word in soup("mo", string=["∞", "max", "min"]):
        word.name = "mi"  # no operator: no room on both sides
    for name in soup("mi", string=["log", "ln", "exp"]):  # some room before what follows
        after = name.find_next_sibling()
        if after and after.name != "mo" and name.parent.name == "mrow":
            name.insert_after(Tag(name="mspace", attrs={"width": "0.17em"}))
    for sign in soup("mo", string=["|", "/"]):  # TeX leaves no room around them
        sign["lspace"] = sign["rspace"] = "0"
    return str(soup)


class Renderer(IPythonRenderer):
    """nbconvert's Markdown, but formulas are drawn when the site is made, not by a script."""

    def block_math(self, body: str) -> str:
        """A formula on a line of its own, which scrolls if the line is too short."""
        return f'<span class="formula scroll">{mathml(body, "block")}</span>'

    def inline_math(self, body: str) -> str:
        """A formula within a sentence. No browser breaks its line, so a long one scrolls."""
        drawn = mathml(body, "inline")
        return drawn if len(body) < LONG else f'<span class="long scroll">{drawn}</span>'

    def latex_environment(self, name: str, body: str) -> str:
        """A formula in an environment of its own, such as align."""
        return self.block_math(rf"\begin{{{name}}}{body}\end{{{name}}}")

    def block_mermaidjs(self, code: str) -> str:
        """The source of a diagram, folded: the notebooks show each diagram as a picture too."""
        title = re.search(r"accTitle: *(.+)", code)
        words = html.escape(title[1] if title else "the diagram")
        code = html.escape(code.strip())
        return f"<details><summary>Source of: {words}</summary><pre>{code}</pre></details>"


def markdown(text: str) -> str:
    """Markdown as HTML."""
    return MarkdownWithMath(renderer=Renderer(escape=False, exclude_anchor_links=True)).render(text)


def show(output: nbformat.NotebookNode, save: Callable[[bytes], str]) -> str:
    """An output of a cell as HTML. `save` puts a picture into the site and says where."""
    data = output.get("data", {})
    if "text/html" in data:
        return f'<div class="output">{data["text/html"]}</div>'
    if "image/png" in data:
        picture = base64.b64decode(data["image/png"])
        width, height = struct.unpack(">II", picture[16:24])
        size = f'width="{width}" height="{height}"'
        return f'<figure><img src="{save(picture)}" alt="" {size} loading="lazy"></figure>'
    if "text/markdown" in data:
        return markdown(data["text/markdown"])
    text = output.get("text") or data.get("text/plain") or "\n".join(output.get("traceback", []))
    return f'<pre class="output">{ansi2html(text.rstrip())}</pre>'


def from_notebook(notebook: nbformat.NotebookNode, save: Callable[[bytes], str]) -> str:
    """Texts, code and stored outputs of a notebook as HTML."""
    code, parts = Highlight2HTML(pygments_lexer="python"), []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(markdown(cell.source))
        elif cell.cell_type == "code" and cell.source.strip():
            parts += [code(cell.source), *(show(output, save) for output in cell.outputs)]
    return "\n".join(parts)


def plain(tag: Tag) -> str:
    """The words of an element on one line; a formula as it is written in TeX."""
    words = [
        re.sub(r"[\\{}]", "", node["alttext"].replace(r"\cdot", "·"))
        if isinstance(node, Tag)
        else str(node)
        for node in tag.descendants
        if (node.name == "math" if isinstance(node, Tag) else not node.find_parent("math"))
    ]
    return " ".join("".join(words).split())


def only_links(line: Tag) -> bool:
    """Whether a paragraph holds links and nothing else, such as badges or '← 01 | Contents'."""
    rest = plain(line)
    for link in line("a"):
        rest = rest.replace(plain(link), "", 1)
    return not rest.strip(" |·")


def drop_own_navigation(soup: BeautifulSoup) -> None:
    """Leave out a notebook's line '← 01 | Contents | 03 →': every page has a better one."""
    for line in soup("p"):
        if line.find("a", string="Contents") and only_links(line):
            line.decompose()


def name_headings(soup: BeautifulSoup) -> None:
    """Give every heading the id that GitHub gives it, so that links to it work in both places."""
    seen: dict[str, int] = {}
    for heading in soup(re.compile("^h[1-6]$")):
        slug = re.sub(r"[^\w\- ]", "", plain(heading).lower()).replace(" ", "-")
        seen[slug] = seen.get(slug, -1) + 1
        heading["id"] = f"{slug}-{seen[slug]}" if seen[slug] else slug


def describe_figures(soup: BeautifulSoup) -> None:
    """Take the description of a figure from the 'In words.' that follows it."""
    for image in soup.select("figure img"):
        words = image.find_next("p")
        text = plain(words) if words else ""
        if text.startswith("In words."):
            image["alt"] = text.removeprefix("In words.").strip()
        else:
            heading = image.find_previous(re.compile("^h[1-6]$"))
            image["alt"] = f"Figure: {plain(heading)}" if heading else "Figure"


def clear_table(table: Tag) -> None:
    """Say what each header cell is the header of, set numbers right, let a wide table scroll."""
    del table["border"]
    if style := table.find_previous_sibling("style"):
        style.decompose()
    head = table.thead.find_all("th") if table.thead else []
    if not head or (not plain(head[0]) and "dataframe" not in table.get("class", [])):
        for row in table.select("tbody tr"):
            row.find(["th", "td"]).name = "th"
    if head and not any(plain(cell) for cell in head):
        table.thead.decompose()
    for cell in table("th"):
        if not plain(cell):
            cell.name = "td"
        elif cell.find_parent("thead"):
            cell["scope"] = "colgroup" if int(cell.get("colspan", 1)) > 1 else "col"
        else:
            cell["scope"] = "rowgroup" if int(cell.get("rowspan", 1)) > 1 else "row"
    for cell in table("td"):
        if len(plain(cell)) > LONG:
            cell["class"] = "words"  # a column that must not become too narrow
    rows = [row.find_all(["th", "td"]) for row in table("tr")]
    for column in zip(*rows) if len({len(row) for row in rows}) == 1 else ():
        body = [plain(c) for c in column if c.name == "td" and not c.find_parent("thead")]
        if body and all(re.fullmatch(r"[+−-]?[\d,.]+( ?%)?|NaN|-|", text) for text in body):
            for cell in column:
                cell["class"] = "number"
    table.wrap(Tag(name="div", attrs={"class": "scroll"}))


def keep_together(soup: BeautifulSoup) -> None:
    """Allow no new line between a formula and the bracket, full stop or comma that touches it."""
    for formula in soup("math", display="inline"):
        before, after = formula.previous_sibling, formula.next_sibling
        start = r"\S*$" if formula["alttext"].startswith("_") else r"[(\[]?$"  # word$_i$
        opening = re.search(start, before)[0] if isinstance(before, str) else ""
        closing = re.match(r"[)\]]*[.,;:?]?", after)[0] if isinstance(after, str) else ""
        if opening or closing:
            together = formula.wrap(Tag(name="span", attrs={"class": "together"}))
            together.insert(0, opening)
            together.append(closing)
            if opening:
                before.replace_with(before.removesuffix(opening))
            if closing:
                after.replace_with(after.removeprefix(closing))


def mark_chinese(soup: BeautifulSoup) -> None:
    """Tell browsers and screen readers which words are Chinese."""
    chinese = r"[\u4e00-\u9fff][\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]*"
    for text in soup.find_all(string=re.compile(chinese)):
        marked = re.sub(chinese, r'<span lang="zh">\g<0></span>', html.escape(text, quote=False))
        text.replace_with(BeautifulSoup(marked, "html.parser"))


def lead_links(soup: BeautifulSoup, source: Path, folder: Path, repository: str | None) -> None:
    """Make links and pictures work in the site, and bring along the files they need.

    A badge from another host becomes words. A link to a file that is no page leads to the
    repository, if its address is known; otherwise only its words stay, with the path.

    Raises:
        FileNotFoundError: a link leads to a file that is not there.
    """
    for tag in [*soup("a", href=True), *soup("img", src=True)]:
        key = "href" if tag.name == "a" else "src"
        target, fragment = urldefrag(tag[key])
        if urlsplit(target).scheme:
            if tag.name == "img":
                tag.replace_with(tag.get("alt", ""))
            continue
        if not target or (folder / address(source).parent / target).is_file():
            continue  # within the page, or a figure that was just written
        path = Path(os.path.normpath(source.parent / unquote(target)))
        if not (ROOT / path).exists():
            raise FileNotFoundError(f"{source}: a link leads to {tag[key]}, which is not there")
        if path in sources():
            new = address(path)
        elif tag.name == "img" or ((ROOT / path).is_file() and path.suffix in COPIED):
            new = path if path.suffix else path.with_suffix(".txt")
            (folder / new).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, folder / new)
        elif repository:
            tag["href"] = f"{repository}/tree/HEAD/{path.as_posix()}"
            continue
        else:
            if path.name not in plain(tag):
                tag.insert_after(f" ({path.as_posix()} in the repository)")
            tag.unwrap()
            continue
        tag[key] = relative(new, source) + (f"#{fragment}" if fragment else "")


def relative(target: Path, source: Path) -> str:
    """The way from the page of `source` to a file of the site."""
    return Path(os.path.relpath(target, address(source).parent)).as_posix()


def content(source: Path, folder: Path, repository: str | None) -> BeautifulSoup:
    """What a page says, ready for the site; its pictures are written to the folder."""

    def save(picture: bytes) -> str:
        images = folder / source.with_suffix("")
        images.mkdir(parents=True, exist_ok=True)
        name = f"figure-{len(list(images.iterdir())) + 1}.png"
        (images / name).write_bytes(picture)
        return f"{source.stem}/{name}"

    if source.suffix == ".ipynb":
        text = from_notebook(nbformat.read(ROOT / source, as_version=4), save)
    else:
        text = markdown((ROOT / source).read_text(encoding="utf-8"))
    soup = BeautifulSoup(text, "html.parser")
    lead_links(soup, source, folder, repository)
    drop_own_navigation(soup)
    name_headings(soup)
    describe_figures(soup)
    for table in soup("table"):
        clear_table(table)
    for picture in soup("img"):
        picture.wrap(Tag(name="span", attrs={"class": "picture scroll"}))
    for block in soup("pre"):
        block["class"] = [*block.get("class", []), "scroll"]
    keep_together(soup)
    mark_chinese(soup)
    return soup


def build(folder: Path, repository: str | None = None) -> list[Path]:
    """Write the site to a folder and return its pages. An older site there is replaced.

    Raises:
        FileExistsError: there is something else in the folder.
        FileNotFoundError: a link leads to a file that is not there.
        ValueError: a formula cannot be drawn.
    """
    if folder.exists() and any(folder.iterdir()):
        front = folder / "index.html"
        if not front.is_file() or MARK not in front.read_text(encoding="utf-8"):
            raise FileExistsError(f"{folder} holds something else: choose another folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(MARK, encoding="utf-8")  # ours, even if we fail below
    soups = {}
    for source in sources():
        try:
            soups[source] = content(source, folder, repository)
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from error
    headlines = {source: plain(soup.h1) for source, soup in soups.items()}
    # "01 Background: ten films and no reason" is "01 Background" in menus and titles.
    names = {source: headline.split(":")[0] for source, headline in headlines.items()}
    course = headlines[Path("README.md")]
    template = jinja2.Template((THEME / "page.html").read_text(encoding="utf-8"), autoescape=True)
    order = list(soups)
    for i, (source, soup) in enumerate(soups.items()):
        front = source == Path("README.md")
        first_text = next((p for p in soup("p") if not only_links(p)), soup.h1)
        page = template.render(
            mark=MARK,
            course=course,
            title=course if front else f"{names[source]} · {course}",
            description=textwrap.shorten(plain(first_text), 170, placeholder=" …"),
            body=str(soup),
            sections=[(h["id"], plain(h)) for h in soup("h2")],
            menu=[(p, names[p] if p != order[0] else "Contents") for p in order],
            source=source,
            previous=order[i - 1] if i else None,
            following=order[i + 1] if i + 1 < len(order) else None,
            names=names,
            way=lambda target, source=source: relative(address(target), source),
            theme=lambda name, source=source: relative(Path(name), source),
        )
        target = folder / address(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page, encoding="utf-8")
    for name in ("style.css", "icon.svg"):
        shutil.copy(THEME / name, folder)
    return [folder / address(source) for source in order]


def known_repository() -> str | None:
    """The address of the repository, if pyproject.toml gives one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project.get("urls", {}).get("Repository")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python scripts/build_site.py FOLDER")
    try:
        made = build(Path(sys.argv[1]), known_repository())
    except (FileExistsError, FileNotFoundError, ValueError) as error:
        sys.exit(str(error))
    print(f"{len(made)} pages; begin with {made[0]}")
