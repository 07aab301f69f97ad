"""Write docs/peers.md from the lines that peers.py and recbole_peers.py measured.

python studies/peers_page.py studies/peers.jsonl docs/peers.md
"""

import json
import sys
from pathlib import Path
from statistics import mean, stdev

Runs = list[dict]
METRICS = ("HR@10", "NDCG@10", "MRR@10")
TUNED = "all changes, averaged"


def groups(lines: Runs) -> dict[tuple[str, str, str], Runs]:
    """The runs of each library, model and setting, in the order measured."""
    found: dict[tuple[str, str, str], Runs] = {}
    for line in lines:
        found.setdefault((line["library"], line["model"], line["setting"]), []).append(line)
    return found


def average(runs: Runs, name: str) -> str:
    """Mean over seeds; with its standard deviation if there are several."""
    values = [run[name] for run in runs]
    spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
    return f"{mean(values):.3f}{spread}"


def whole(runs: Runs, name: str) -> str:
    """Mean as a whole number; nothing where nothing was trained."""
    values = [run[name] for run in runs if run.get(name) is not None]
    return f"{mean(values):,.0f}" if values else ""


def row(key: tuple[str, str, str], runs: Runs) -> str:
    """One line of the table."""
    model = ", ".join(part for part in key[1:] if part)
    seconds = mean(run["cpu_seconds"] for run in runs)
    cells = [key[0], model, str(len(runs)), *(average(runs, name) for name in METRICS)]
    cells += [average(runs, "validation"), f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}"]
    cells += [whole(runs, "targets_per_second"), whole(runs, "peak_mb")]
    return "| " + " | ".join(cells) + " |"


def seconds_to(runs: Runs, quality: float) -> str:
    """CPU seconds until validation NDCG@10 is above `quality`, for each seed."""
    reached = [next((s for s, value in run["curve"] if value > quality), None) for run in runs]
    return ", ".join("not reached" if s is None else f"{s:.0f}" for s in reached)


def page(lines: Runs) -> str:
    """docs/peers.md."""
    found = groups(lines)
    ours = {
        setting or model: runs for (lib, model, setting), runs in found.items() if "this" in lib
    }
    tuned = ours[TUNED]
    speed = [
        f"| {name} | {ours[name][0]['validation']:.3f} "
        f"| {seconds_to(tuned, ours[name][0]['validation'])} |"
        for name in ("EASE", "decayed Markov")
    ]
    return "\n".join(
        [
            "# Peers side by side",
            "",
            f"MovieLens 100K, measured on {lines[0]['date']} with one thread of "
            f"{lines[0]['machine']}. Commands: see `studies/peers.py` and "
            "`studies/recbole_peers.py`; every run is a line of `studies/peers.jsonl`.",
            "",
            "**Protocol, alike for all.** 943 users, 1,682 films, every rating a positive. By "
            "time, the last film is the test and the one before it the validation; at the test a "
            "model also knows the validation film. All films that the user had not rated are "
            "ranked. Epoch and settings are chosen on validation. Training may take 60 CPU "
            'seconds of one thread, "long" ones up to 900. Where there are several seeds: mean '
            "± standard deviation.",
            "",
            "| library | model | seeds | HR@10 | NDCG@10 | MRR@10 | validation NDCG@10 "
            "| CPU s to best epoch | targets/s | peak MB |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *(row(key, runs) for key, runs in found.items()),
            "",
            "A target is a film that the model is trained to predict. RecBole's sequential models "
            "train one target for each padded history; ours train every position at once.",
            "",
            "The changes against notebook 06 are in `studies/peers_model.py`: (1) scores know the "
            "gap between two films instead of their places, (2) embeddings start small and are not "
            'multiplied, (3) dropout on the weights as well. "Averaged": a running mean of the '
            "parameters is evaluated.",
            "",
            "**What attention adds.** NDCG@10 with learned weights "
            f"{average(tuned, 'NDCG@10')}; with weights that only know the gap "
            f"{average(ours['control: weights by gap alone'], 'NDCG@10')}; with equal weights "
            f"{average(ours['control: equal weights'], 'NDCG@10')}; with the latest film alone "
            f"{average(ours['control: latest film alone'], 'NDCG@10')}; trained on shuffled "
            f"histories {average(ours['control: histories shuffled'], 'NDCG@10')}. The standard "
            f"error over 943 users is {mean(run['standard_error'] for run in tuned):.3f}.",
            "",
            "**Time to quality.** CPU seconds until validation NDCG@10 passes that of a simple "
            f'model, for each seed of "{TUNED}":',
            "",
            "| passes | validation NDCG@10 | CPU s |",
            "|---|---|---|",
            *speed,
            "",
        ]
    )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Usage: python studies/peers_page.py RESULTS.jsonl PAGE.md")
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    Path(sys.argv[2]).write_text(
        page([json.loads(line) for line in text.splitlines()]), encoding="utf-8"
    )
