"""One example on paper, thirteen attention functions: which numbers does each of them give?

The example is *Heat* (recsys_utils/by_hand.py): one query, three keys, three values. Five cases:
as it is; with the director masked; with nothing allowed, in float32 and in float64; with two heads.
PyTorch, Keras (on TensorFlow), JAX and Flax do not share an environment, so this runs twice:

    python studies/frameworks.py torch results.csv      # begins the file: ours, article, PyTorch
    python studies/frameworks.py others results.csv     # adds to it: Keras, JAX, Flax
    python studies/frameworks.py compare stored.csv results.csv   (make frameworks: all three)

One row for each number: function, library, version, case, measure (weight, if the function shows
weights; context; logit), position, value, word. The word says what the function did in this case,
found by comparing its numbers: "scaled" or "not scaled" by sqrt(d_k), "zeros", "not a number",
"equal" weights, "as unmasked", or "other". Projections are identity matrices. A function without
heads gets them as a batch, each with its half of the vectors.
"""

import argparse
import csv
import sys
from importlib import import_module

import numpy as np

# As in recsys_utils/by_hand.py, which the environment of the others cannot import: it has no torch.
NAMES = ["Michael Mann", "Al Pacino", "Crime"]
USER = [[1, 2, 0, 1]]
KEY = [[0, -1, 1, 0], [1, 1, 0, 1], [0, 1, 1, 0]]
VALUE = [[0, 2, 1, 0], [1, 0, 0, 1], [0, -1, 0, 1]]
BIAS = 0.5

ALL, NOT_THE_DIRECTOR, NOTHING = [True, True, True], [False, True, True], [False, False, False]
CASES = {  # name -> which keys are allowed, number of heads, kind of numbers
    "hand example": (ALL, 1, "float32"),
    "mask": (NOT_THE_DIRECTOR, 1, "float32"),
    "nothing allowed": (NOTHING, 1, "float32"),
    "nothing allowed, float64": (NOTHING, 1, "float64"),
    "two heads": (ALL, 2, "float32"),
}
HEADER = ["function", "library", "version", "case", "measure", "position", "value", "word"]


def softmax(scores):
    """Over the last dimension."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def by_heads(x, n_heads):
    """(n, 4) -> (n_heads, n, 4 / n_heads)."""
    return x.reshape(len(x), n_heads, -1).swapaxes(0, 1)


def as_context(weights, n_heads):
    """Weights (n_heads, 3) -> context (4,): what they make of the values."""
    values = by_heads(np.array(VALUE), n_heads)
    return np.concatenate([w @ v for w, v in zip(weights, values)])


def ask(function, case):
    """Context (4,) and weights (n_heads, 3), or None for these, of a function in a case."""
    allowed, n_heads, kind = case
    inputs = [np.array(x, dtype=kind) for x in (USER, KEY, VALUE)]
    context, weights = function(*inputs, np.array(allowed), n_heads)
    context = np.asarray(context, dtype=float).reshape(4)
    return context, weights if weights is None else np.asarray(weights, dtype=float).reshape(
        n_heads, 3
    )


def word(function, case):
    """What a function does in a case, found by comparing its numbers with what they could be."""
    allowed, n_heads, kind = case
    if any(allowed):
        query, key = (by_heads(np.array(x), n_heads) for x in (USER, KEY))
        scores = np.where(allowed, (query @ key.swapaxes(1, 2))[:, 0], -np.inf)
        scaled = scores / query.shape[-1] ** 0.5
        likely = {"scaled": softmax(scaled), "not scaled": softmax(scores)}
    else:
        likely = {"zeros": np.zeros((n_heads, 3)), "equal": np.full((n_heads, 3), 1 / 3)}
    likely = {name: as_context(weights, n_heads) for name, weights in likely.items()}
    if not any(allowed):
        likely["as unmasked"], _ = ask(function, (ALL, n_heads, kind))
    context, _ = ask(function, case)
    if np.isnan(context).any():
        return "not a number"
    fits = [name for name, numbers in likely.items() if np.allclose(context, numbers, atol=1e-4)]
    return fits[0] if fits else "other"


def rows(functions):
    """One row for each number, as in HEADER."""
    for name, (library, version, function) in functions.items():
        for title, case in CASES.items():
            context, weights = ask(function, case)
            found = {("logit", "logit"): context @ USER[0] + BIAS}
            found |= {("context", str(i)): number for i, number in enumerate(context, 1)}
            for head, own in enumerate([] if weights is None else weights, 1):
                label = f"head {head}: " if len(weights) > 1 else ""
                found |= {("weight", label + n): number for n, number in zip(NAMES, own)}
            done = word(function, case)
            for (measure, position), number in found.items():
                value = f"{round(number, 4) + 0:.4f}"  # + 0: no -0.0000
                yield [name, library, version, title, measure, position, value, done]


def write(path, functions, begin):
    """Begin a file with these functions, or add them to it."""
    with open(path, "w" if begin else "a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([HEADER] if begin else [])
        writer.writerows(rows(functions))


def read(path):
    """Function, case, measure, position -> value, word."""
    with open(path, encoding="utf-8", newline="") as file:
        stored = list(csv.DictReader(file))
    key = ("function", "case", "measure", "position")
    return {tuple(row[name] for name in key): (float(row["value"]), row["word"]) for row in stored}


def differences(stored, again):
    """What is not alike in two files, one line each; a last digit may differ by one."""
    old, new = read(stored), read(again)
    for key in [*old, *(key for key in new if key not in old)]:
        before, after = old.get(key), new.get(key)
        alike = before and after and before[1] == after[1]
        if not alike or not np.isclose(before[0], after[0], rtol=0, atol=1.5e-4, equal_nan=True):
            yield f"{', '.join(key)}: stored {before}, now {after}"


def main():
    """Do one of the three tasks above."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=["torch", "others", "compare"])
    parser.add_argument("results", help="this file is written; or the stored one, to compare")
    parser.add_argument("now", nargs="?", help="compare with this one")
    args = parser.parse_args()
    if args.task == "compare":
        found = list(differences(args.results, args.now))
        advice = f"Is what is new right? Then: cp {args.now} {args.results}"
        sys.exit("\n".join([*found, advice]) if found else 0)
    write(args.results, import_module(f"frameworks_{args.task}").FUNCTIONS, args.task == "torch")


if __name__ == "__main__":
    main()
