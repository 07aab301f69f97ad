"""Which notebooks still stand as in the first edition.

The second edition writes every notebook again: plainer code, one live model, sentences that rest on
studies. While that goes on, a notebook in this list is not yet held to the new measure of plainness
(tests/plain.py), and says so to its readers in its first cell. A notebook leaves the list when it
is rewritten; the line goes with it. With the last one this file goes too.
"""

NOT_REWRITTEN = ["05", "06", "07", "08"]
LINE = (
    "**This notebook is being rewritten.** Figures in its text are those of the first edition; "
    "where they differ from what a cell prints, the cell is right."
)
