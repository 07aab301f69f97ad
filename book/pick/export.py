"""Write the page "Pick films, see why": its files, the trained model, and a first example.

    python book/pick/export.py site/html/pick [golden.json]

The model is the one of notebook 05, trained here (8 seconds). The page computes with float32
numbers what Python computes with float64. With a second name, values to compare with are written:
what Python finds for thirty sets of likes (`tests/browser/test_pick.py`; half a minute).
"""

import base64
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from recsys_utils.data import AttributeTable, leave_one_out_split, load_movies, load_ratings
from recsys_utils.evaluation import top_k
from recsys_utils.explanation import leave_one_out
from recsys_utils.models import AttributeAttentionRecommender
from recsys_utils.training import fit, fold_in

HERE = Path(__file__).parent
COPIED = ("index.html", "style.css", "attention.js", "page.js")
EXAMPLE = ("Toy Story (1995)", "Finding Nemo (2003)")
HOW_MANY = 10


def course_model() -> AttributeAttentionRecommender:
    """The model of notebook 05, trained on the course's ratings."""
    movies = load_movies()
    table = AttributeTable.from_movies(movies, min_films=2)
    split = leave_one_out_split(load_ratings(movies=movies), table.item_ids)
    model = AttributeAttentionRecommender(table, split.n_users)
    fit(model, split, progress=False)
    return model


def exported(model: AttributeAttentionRecommender) -> dict:
    """All that the page must know of a model, ready for JSON."""
    table = model.table
    mean_user = model.user.weight[: model.n_known].mean(dim=0)
    return {
        "films": table.labels,
        "names": table.names,
        "fields": table.fields,
        "attributes": [ids[mask].tolist() for ids, mask in zip(table.ids, table.mask)],
        "slots": [mask.nonzero()[:, 0].tolist() for mask in table.mask],
        "slot_names": table.slots,
        "d_k": model.d_k,
        "bias": as_text(model.bias),
        "mean_user": as_text(mean_user),
        "embeddings": as_text(model.embedding.weight),
    }


def as_text(numbers: torch.Tensor) -> str:
    """Numbers as float32, the lowest byte first, in base64."""
    return base64.b64encode(numbers.detach().numpy().astype("<f4").tobytes()).decode()


def answer(model: AttributeAttentionRecommender, likes: Sequence[int]) -> dict:
    """What the page must find for somebody who likes these films, ready for JSON."""
    liked = torch.tensor(likes)
    with_me = fold_in(model, liked)
    me = with_me.user.num_embeddings - 1
    with torch.no_grad():
        scores = with_me(torch.tensor([me]))
    films = top_k(scores.index_fill(1, liked, -torch.inf), HOW_MANY)[0].tolist()
    return {
        "likes": list(likes),
        "vector": with_me.user.weight[me].tolist(),
        "films": films,
        "explanations": [explained(with_me, me, film) for film in films],
        "scores": scores[0].tolist(),
        "outcomes": [without(with_me, me, films[0], left) for left in ([1], [0, 2])],
    }


def explained(model: AttributeAttentionRecommender, user: int, film: int) -> dict:
    """One explanation, with its sentence, ready for JSON."""
    explanation = model.explain(user, film)
    return {
        "film": film,
        "slots": model.table.mask[film].nonzero()[:, 0].tolist(),
        "label": explanation.label,
        "names": explanation.names,
        "fields": explanation.fields,
        "weights": explanation.weights.tolist(),
        "contributions": explanation.contributions.tolist(),
        "everybody": explanation.everybody.tolist(),
        "yours": explanation.yours.tolist(),
        "without": leave_one_out(model, user, film).tolist(),
        "support": explanation.support,
        "base": explanation.base,
        "score": explanation.score,
        "sentence": explanation.sentence(),
    }


def without(model: AttributeAttentionRecommender, user: int, film: int, left: list[int]) -> dict:
    """What becomes of a film without some of its attributes, in the order of its explanation."""
    kept = model.table.mask[film].clone()
    kept[kept.nonzero()[left, 0]] = False
    parts = model.contribute(torch.tensor([user]), torch.tensor([film]), kept[None])
    slots = model.table.mask[film]
    changed = replace(
        model.explain(user, film),
        weights=parts.weights[0, slots].numpy(),
        contributions=parts.contributions[0, slots].numpy(),
        everybody=parts.everybody[0, slots].numpy(),
        base=float(parts.base),
        score=float(parts.logits),
    )
    return {
        "left": left,
        "weights": changed.weights.tolist(),
        "contributions": changed.contributions.tolist(),
        "everybody": changed.everybody.tolist(),
        "base": changed.base,
        "score": changed.score,
        "sentence": changed.sentence(),
    }


def sets_of_likes(model: AttributeAttentionRecommender) -> list[list[int]]:
    """Thirty: single films, the most and the least liked, a few at random, up to twenty."""
    n_films = model.table.n_items
    popular = torch.bincount(torch.cat(model.liked), minlength=n_films).argsort(stable=True)
    rare, popular = popular[:20].tolist(), popular.flip(0)[:20].tolist()
    sets = [[film] for film in popular[:4] + rare[:4]]
    sets += [rare[:3], rare, popular[:3], popular, [popular[0], rare[0]]]
    sets.append([model.table.labels.index(label) for label in EXAMPLE])
    draw = np.random.default_rng(0)
    for size in (1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6, 8, 10, 12, 15, 20):
        sets.append(draw.choice(n_films, size, replace=False).tolist())
    return sets


def write(folder: Path, model: AttributeAttentionRecommender) -> None:
    """Write the page to a folder; what is there of it is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        shutil.copy(HERE / name, folder)
    example = answer(model, [model.table.labels.index(label) for label in EXAMPLE])
    example["slot_names"] = model.table.slots
    example["like_names"] = list(EXAMPLE)
    example["n_films"] = model.table.n_items - len(EXAMPLE)
    for name in ("vector", "scores", "outcomes"):  # only to compare with
        del example[name]
    for name, content in {"MODEL": exported(model), "EXAMPLE": example}.items():
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        path = folder / f"{name.lower()}.js"
        path.write_text(f"window.{name} = {text};\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("Usage: python book/pick/export.py FOLDER [GOLDEN.json]")
    trained = course_model()
    write(Path(sys.argv[1]), trained)
    if len(sys.argv) == 3:
        golden = [answer(trained, likes) for likes in sets_of_likes(trained)]
        Path(sys.argv[2]).write_text(json.dumps(golden), encoding="utf-8")
