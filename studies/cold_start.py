"""Does the model know anything about films nobody has rated?

Real ratings. One hundred films are taken out of training altogether (ten draws); nobody's likes
for them are seen, and the softmax of training leaves them out. Then each user who liked some of
them ranks the hundred: per-user AUC, liked against not rated. The attention model (film dropout 0
and the course's) scores a new film by its attributes without the film itself; beside it two
baselines that need no popularity: how well the film's genres, or all its attributes, match the
user's liked films (cosine), and chance 0.5.
"""

from dataclasses import replace

import torch
from running import Run, main
from torch.nn.functional import normalize

from recsys_utils.data import AttributeTable, leave_one_out_split, load_movies, load_ratings
from recsys_utils.evaluation import auc
from recsys_utils.models import FILM_DROPOUT, AttributeAttentionRecommender
from recsys_utils.training import fit

MODELS = {
    "attention, film dropout 0": {"film_dropout": 0.0},
    "attention, the course's film dropout": {"film_dropout": FILM_DROPOUT},
    "mean pooling, the course's film dropout": {"film_dropout": FILM_DROPOUT, "pooling": "mean"},
}
MATCHES = ["genre match", "attribute match"]
N_COLD = 100
RUNS = [Run(variant, world=world) for variant in [*MODELS, *MATCHES] for world in range(10)]
CHEAP = Run("genre match", world=0)


class ForWarmFilms(AttributeAttentionRecommender):
    """In training the films that are held out get a score so low that they do not count."""

    cold: torch.Tensor

    def forward(self, users: torch.Tensor) -> torch.Tensor:
        """As its parent, but in training without the cold films."""
        scores = super().forward(users)
        return scores.masked_fill(self.cold, -1e4) if self.training else scores


def match(split, table: AttributeTable, fields: set[str], cold: torch.Tensor) -> torch.Tensor:
    """Cosine of each film's attributes with the sum of the user's liked films' attributes."""
    wanted = torch.tensor([field in fields for field in table.fields])
    has = table.has() * wanted
    return normalize(split.likes() @ has) @ normalize(has).T


def work(run: Run) -> dict:
    """Hold films out, train, rank them for those who liked some."""
    movies = load_movies()
    table = AttributeTable.from_movies(movies, min_films=2)
    split = leave_one_out_split(load_ratings(movies=movies), table.item_ids)
    generator = torch.Generator().manual_seed(run.world)
    cold = torch.zeros(table.n_items, dtype=torch.bool)
    cold[torch.randperm(table.n_items, generator=generator)[:N_COLD]] = True
    liked = split.likes()[:, cold].bool()
    warm = ~cold[split.items]
    known = replace(split, users=split.users[warm], items=split.items[warm])
    if run.variant in MODELS:
        model = ForWarmFilms(table, split.n_users, **MODELS[run.variant])
        model.cold = cold
        fit(model, known, seed=run.world, progress=False)
        with torch.no_grad():
            scores = model.read(model.user.weight, ~model.is_film)
    else:
        fields = {"genre"} if run.variant == "genre match" else set(table.fields) - {"film", ""}
        scores = match(known, table, fields, cold)
    rated = torch.zeros(split.n_users, table.n_items, dtype=torch.bool)
    for user, items in enumerate(split.rated):
        rated[user, torch.tensor(items)] = True
    values = []
    for user in range(split.n_users):
        asked = liked[user] | ~rated[user, cold]
        if liked[user].any():
            values.append(auc(scores[user, cold][asked], liked[user][asked]))
    return {"AUC per user": sum(values) / len(values), "users": len(values)}


if __name__ == "__main__":
    main(__file__, RUNS, work)
