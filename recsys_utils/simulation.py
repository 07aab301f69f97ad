"""Users whose reasons are known, because they are made here. Notebooks 03, 05 and 08.

Real films, simulated people: each user likes and dislikes some directors, actors or genres, and
every rating is the sum of what its attributes are worth to the user, plus noise. So the true
reason of every rating is known, and an explanation can be marked right or wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from torch import Tensor, from_numpy

from .data import AttributeTable

MEAN_STARS, TASTE_STARS = 3.5, 2.0
ALLOWED = 0.25  # `only_with`: the share of genres in which an actor counts


@dataclass(frozen=True)
class SimulatedTastes:
    """Simulated ratings and their true reasons.

    Attributes:
        ratings: userId, movieId, rating (0.5 to 5), timestamp: as `load_ratings` gives them.
        contributions: `(n_ratings, n_slots)` the stars that each attribute of the film is worth in
            this rating; 0 for empty slots and for fields that are never a reason.
        field_weights: one row for each user, one column for each field that can be a reason: how
            much the field counts for the user; rows sum to 1.
        world: what world this is, in words. A result from here holds in this world; say so.
    """

    ratings: pd.DataFrame
    contributions: Tensor
    field_weights: pd.DataFrame
    world: str


def shared_credits(movies: pd.DataFrame, min_films: int = 3) -> pd.DataFrame:
    """The films whose reasons can be told apart: a director and a lead with several films.

    A name that stands on one film only says the same as the film itself: no method can tell which
    of the two was the reason. So names with fewer than `min_films` films are blanked, and only
    films that still have a director and a lead are kept.
    """
    movies = movies.copy()
    leads = pd.concat([movies["actor_1"], movies["actor_2"]]).value_counts()
    directors = movies["director"].str.split("|").explode().value_counts()
    for column in ("actor_1", "actor_2"):
        movies[column] = movies[column].where(movies[column].map(leads) >= min_films, "")
    movies["director"] = [
        "|".join(name for name in names.split("|") if directors[name] >= min_films)
        for names in movies["director"]
    ]
    led = (movies["actor_1"] != "") | (movies["actor_2"] != "")
    return movies[led & (movies["director"] != "")].reset_index(drop=True)


def add_noise(
    table: AttributeTable, n_tags: int, seed: int = 0, vocabulary: int = 50
) -> AttributeTable:
    """The same items; each gets `n_tags` random tags, all different, in a new last field "noise".

    A tag is never a reason for a rating, and nothing can be learned from it: what a model makes of
    tags shows what it makes of the irrelevant (notebook 03).

    Args:
        table: items and attributes; its own attributes keep names, fields and order.
        n_tags: number of tags for each item; with 0 the table stays as it is.
        vocabulary: how many tags there are: "tag 0", "tag 1" and so on.

    Raises:
        ValueError: n_tags is not 0 to `vocabulary`.
    """
    if not 0 <= n_tags <= vocabulary:
        raise ValueError(f"n_tags must be 0 to {vocabulary} (all there are), got {n_tags}")
    if n_tags == 0:
        return table
    random = np.random.default_rng(seed)
    fields = {}
    for field in dict.fromkeys(table.slot_fields):
        fields[field] = []
        for item in range(table.n_items):
            ids = table.ids[item].tolist()
            fields[field].append([table.names[i] for i in ids if table.fields[i] == field])
    fields["noise"] = []
    for _ in range(table.n_items):
        tags = random.choice(vocabulary, n_tags, replace=False)
        fields["noise"].append([f"tag {tag}" for tag in tags])
    return AttributeTable.from_lists(table.item_ids, table.labels, fields)


def simulate_tastes(
    table: AttributeTable,
    n_users: int = 600,
    ratings_per_user: int = 150,
    reasons: Sequence[str] = ("director", "actor", "genre"),
    n_groups: int | None = 4,
    main_weight: float = 0.8,
    noise: float = 0.5,
    only_with: tuple[str, str] | None = None,
    seed: int = 0,
) -> SimulatedTastes:
    """Draw users with known tastes, let them rate films drawn at random.

    Formula: rating = 3.5 + sum of contributions + noise, rounded to half stars within 0.5 to 5;
    contribution of an attribute = 2 stars * weight of its field for this user * taste of the
    user's group for it / number of the film's attributes in this field.

    Each user has one main field (`main_weight`) and one minor field (the rest) out of `reasons`.
    In each field the user belongs to one of `n_groups` groups that share their tastes: a like or a
    dislike of every attribute, 0.5 to 1.5 in size. Fields outside `reasons` are never a reason.

    **This is an easy world** as it stands: few groups, so that each taste is rated by many; many
    ratings; and ratings are a sum over attributes, as the course's model is. What holds here need
    not hold in others: studies/worlds.py turns each of these screws.

    Args:
        table: the items and their attributes.
        n_users, ratings_per_user: how much to draw.
        reasons: fields that can be a reason, at least two.
        n_groups: number of taste groups in each field; None: everybody has a taste of their own.
        main_weight: weight of the main field, 0.5 to 1.
        noise: standard deviation of what no attribute explains, in stars.
        only_with: two fields, ("actor", "genre"): then ratings are not a plain sum. For each group
            an actor counts only in films of some genres, a quarter of all, drawn for each actor.
        seed: the same seed gives the same users and ratings.

    Raises:
        ValueError: fewer than two reasons, a reason that is no field of the table, more ratings
            than items, a main_weight outside 0.5 to 1, fewer than one group, an only_with that is
            not a reason and another field of the table.
    """
    known = set(table.slot_fields)
    if len(reasons) < 2 or not set(reasons) <= known:
        raise ValueError(f"reasons must be two or more of {sorted(known)}")
    if ratings_per_user > table.n_items:
        raise ValueError(f"{ratings_per_user} ratings per user, but only {table.n_items} items")
    if not 0.5 <= main_weight <= 1:
        raise ValueError(f"main_weight must be 0.5 to 1, got {main_weight}")
    if n_groups is not None and n_groups < 1:
        raise ValueError(f"n_groups must be at least 1, or None for own tastes, got {n_groups}")
    if only_with is not None and (only_with[0] not in reasons or only_with[1] not in known):
        raise ValueError(f"only_with must be a reason and a field of the table, got {only_with}")
    random = np.random.default_rng(seed)
    fields, slot_fields = np.array(table.fields), np.array(table.slot_fields)
    field_weights = np.zeros((n_users, len(reasons)))
    for user in range(n_users):
        main, minor = random.choice(len(reasons), size=2, replace=False)
        field_weights[user, [main, minor]] = main_weight, 1 - main_weight
    stars = np.zeros((n_users, table.n_attributes))
    groups = {}
    for column, field in enumerate(reasons):
        attributes = np.flatnonzero(fields == field)
        shape = (n_groups or n_users, len(attributes))
        taste = random.choice([-1.0, 1.0], size=shape) * random.uniform(0.5, 1.5, size=shape)
        if n_groups is None:
            groups[field] = np.arange(n_users)
        else:
            groups[field] = random.integers(n_groups, size=n_users)
        weight = field_weights[:, column, None]
        stars[:, attributes] = TASTE_STARS * weight * taste[groups[field]]
    users = np.repeat(np.arange(n_users), ratings_per_user)
    items = np.concatenate(
        [random.choice(table.n_items, ratings_per_user, replace=False) for _ in range(n_users)]
    )
    ids, mask = table.ids.numpy()[items], table.mask.numpy()[items]
    in_field = np.stack(
        [mask[:, slot_fields == field].sum(axis=1) for field in slot_fields], axis=1
    )
    contributions = np.where(mask, stars[users[:, None], ids] / in_field.clip(min=1), 0.0)
    noises = random.normal(0, noise, size=len(users))
    if only_with is not None:
        field, other = only_with
        conditions = np.flatnonzero(fields == other)
        shape = (n_groups or n_users, (fields == field).sum(), len(conditions))
        allowed = random.random(shape) < ALLOWED
        first = np.flatnonzero(fields == field)[0]  # a field's attributes have numbers in a row
        has = np.stack([(table.ids.numpy() == number).any(axis=1) for number in conditions], axis=1)
        group = groups[field][users]
        for slot in np.flatnonzero(slot_fields == field):
            there = mask[:, slot]
            fits = allowed[group[there], ids[there, slot] - first] & has[items[there]]
            contributions[there, slot] *= fits.any(axis=1)
    exact = MEAN_STARS + contributions.sum(axis=1) + noises
    ratings = pd.DataFrame(
        {
            "userId": users + 1,
            "movieId": table.item_ids[items],
            "rating": (exact * 2).round().clip(1, 10) / 2,
            "timestamp": np.arange(len(users)),
        }
    )
    weights = pd.DataFrame(field_weights, columns=list(reasons), index=np.arange(n_users) + 1)
    tastes = "everybody an own taste" if n_groups is None else f"{n_groups} taste groups a field"
    form = "additive" if only_with is None else "{} counts only with some {}s".format(*only_with)
    world = (
        f"{n_users} simulated users, {ratings_per_user} ratings each, {tastes}, "
        f"main field {main_weight}, noise {noise} stars, {form}, seed {seed}"
    )
    return SimulatedTastes(ratings, from_numpy(contributions), weights, world)
