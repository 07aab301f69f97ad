"""Run notebooks top to bottom and store their outputs, so that a second run changes nothing.

    python scripts/run_and_store.py notebooks/05_project_practice.ipynb

Left out: timing metadata, widget state, progress bars. A cell tagged `machine-dependent` (it shows
seconds or megabytes) keeps its stored output; delete the output in JupyterLab to renew it. The
figure of a cell tagged `readme-picture` is also stored as notebooks/images/explanation.png, and
what the ledger quotes in notebooks/evidence.json.
"""

import base64
import io
import os
import re
import sys
from pathlib import Path

import evidence
import nbformat
from nbclient import NotebookClient
from PIL import Image

# The kernel inherits these: one thread, the same set-up as `make test`.
os.environ.update(OMP_NUM_THREADS="1", PYTHONHASHSEED="0")
os.environ.pop("MPLBACKEND", None)

KERNEL = {
    "kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"},
    "language_info": {"name": "python", "file_extension": ".py"},  # else scripts end in .txt
}
KEPT = ["tags", "jupyter"]  # of a cell's metadata; "jupyter": its code is folded away
WIDGET = "application/vnd.jupyter.widget-view+json"


def smaller_png(png: str) -> str:
    """The same picture with at most 255 colours: about a quarter of the size."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    stored = io.BytesIO()
    picture.quantize(255, dither=Image.Dither.NONE).save(stored, "PNG", optimize=True)
    return base64.b64encode(stored.getvalue()).decode()


def clean_outputs(outputs: list) -> list:
    """Drop widget views and progress bars, shrink figures, hide file names in warnings, join what
    was printed in pieces.
    """
    kept = []
    for output in outputs:
        if WIDGET in output.get("data", {}) or output.get("data") == {"text/plain": ""}:
            continue
        if "image/png" in output.get("data", {}):
            output.data["image/png"] = smaller_png(output.data["image/png"])
        if output.output_type == "stream":
            output.text = re.sub(r"\S*ipykernel_\d+/\d+\.py", "<cell>", output.text)
            if kept and kept[-1].get("name") == output.name:  # where a kernel cuts is chance
                kept[-1].text += output.text
                continue
        kept.append(output)
    return kept


def slide_type(cell: nbformat.NotebookNode) -> str:
    """Where a cell goes in `jupyter nbconvert --to slides`.

    Each heading begins a slide, each text goes below the one before, code and figures stay with
    the text above them. Descriptions of figures are the speaker's notes; exercises are left out.
    """
    if cell.cell_type == "code":
        return "skip" if cell.source.startswith("import ") or "exercise" in cell.id else "-"
    if cell.source.startswith("**In words.**"):
        return "notes"
    if "exercise" in cell.id:
        return "skip"
    return "slide" if re.match("##? ", cell.source) else "subslide"


def run(path: Path) -> None:
    """Run one notebook and write it back."""
    notebook = nbformat.read(path, as_version=4)
    before = {cell.id: cell.get("outputs") for cell in notebook.cells}
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    notebook.metadata = nbformat.from_dict(KERNEL)
    for cell in notebook.cells:
        kept = {name: cell.metadata[name] for name in KEPT if name in cell.metadata}
        cell.metadata = {**kept, "slideshow": {"slide_type": slide_type(cell)}}
        if cell.cell_type != "code":
            continue
        if "machine-dependent" in cell.metadata.get("tags", []) and before[cell.id]:
            cell.outputs = before[cell.id]
        else:
            cell.outputs = clean_outputs(cell.outputs)
        if "readme-picture" in cell.metadata.get("tags", []):
            picture = next(o.data["image/png"] for o in cell.outputs if "data" in o)
            (path.parent / "images" / "explanation.png").write_bytes(base64.b64decode(picture))
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        run(Path(name))
        print(name)
        if evidence.store():  # after each: notebook 08 reads it
            print("the ledger quotes something new: run notebook 08 (again)")
