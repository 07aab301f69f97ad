"""Simulated users: what is said to be the reason is the reason."""

import numpy as np
import pandas as pd
import pytest
import torch

from recsys_utils.data import AttributeTable, load_movies
from recsys_utils.simulation import MEAN_STARS, add_noise, shared_credits, simulate_tastes

FIELDS = ("director", "actor", "genre", "decade")


@pytest.fixture(scope="module")
def table() -> AttributeTable:
    return AttributeTable.from_movies(shared_credits(load_movies()), fields=FIELDS)


@pytest.fixture(scope="module")
def exact(table):
    """Without noise."""
    return simulate_tastes(table, n_users=60, ratings_per_user=50, noise=0.0, seed=1)


def test_without_noise_a_rating_is_the_sum_of_its_reasons(exact):
    stars = MEAN_STARS + exact.contributions.sum(dim=1).numpy()
    rounded = (stars * 2).round().clip(1, 10) / 2
    assert np.allclose(exact.ratings["rating"], rounded)


def test_with_noise_it_is_off_by_the_noise(table):
    noisy = simulate_tastes(table, n_users=200, ratings_per_user=100, noise=0.5)
    stars = MEAN_STARS + noisy.contributions.sum(dim=1).numpy()
    inside = (stars > 2) & (stars < 4)  # away from the ends of the scale
    error = noisy.ratings["rating"][inside] - stars[inside]
    assert abs(error.mean()) < 0.02
    assert error.std() == pytest.approx(np.hypot(0.5, 0.5 / np.sqrt(12)), abs=0.02)


def test_fields_outside_reasons_and_empty_slots_are_never_a_reason(table, exact):
    fields = np.array(table.slot_fields)
    assert (exact.contributions[:, fields == "decade"] == 0).all()
    items = [list(table.item_ids).index(i) for i in exact.ratings["movieId"]]
    assert (exact.contributions[~table.mask[items]] == 0).all()


def test_each_user_has_a_main_and_a_minor_field(exact):
    assert np.allclose(np.sort(exact.field_weights, axis=1), [0.0, 0.2, 0.8])


def test_a_field_without_weight_contributes_nothing(table, exact):
    fields = np.array(table.slot_fields)
    for field in exact.field_weights.columns:
        without = exact.field_weights.index[exact.field_weights[field] == 0]
        rows = torch.tensor(exact.ratings["userId"].isin(without).tolist())
        assert (exact.contributions[rows][:, fields == field] == 0).all()
        assert (exact.contributions[~rows][:, fields == field] != 0).any()


def test_an_attribute_alone_in_its_field_is_worth_its_full_taste(table, exact):
    """Two stars times 0.8 or 0.2 times 0.5 to 1.5, divided by the number in the field."""
    fields = np.array(table.slot_fields)
    items = [list(table.item_ids).index(i) for i in exact.ratings["movieId"]]
    count = table.mask[items][:, fields == "genre"].sum(dim=1, keepdim=True)
    sizes = (exact.contributions[:, fields == "genre"] * count).abs()
    sizes = sizes[sizes > 0]
    assert sizes.min() >= 0.2 - 1e-9 and sizes.max() <= 2.4 + 1e-9


def test_people_of_a_group_share_their_tastes(table):
    one_group = simulate_tastes(table, n_users=80, ratings_per_user=60, n_groups=1)
    frame = pd.DataFrame(
        {"user": one_group.ratings["userId"], "item": one_group.ratings["movieId"]}
    )
    signs = frame.assign(sign=np.sign(one_group.contributions[:, 0].numpy()))
    signs = signs[signs["sign"] != 0]  # the first director's contribution
    assert (signs.groupby("item")["sign"].nunique() == 1).all()


def test_the_same_seed_is_the_same_world_and_another_is_not(table):
    options = {"n_users": 20, "ratings_per_user": 10}
    one, same, other = (simulate_tastes(table, seed=seed, **options) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(one.ratings, same.ratings)
    assert torch.equal(one.contributions, same.contributions)
    assert not one.ratings["rating"].equals(other.ratings["rating"])


def test_nobody_rates_a_film_twice(exact):
    assert not exact.ratings.duplicated(["userId", "movieId"]).any()
    assert (exact.ratings.groupby("userId").size() == 50).all()


class TestNoise:
    """Random tags: a field that is never a reason."""

    def test_each_item_gets_different_tags_and_keeps_its_own_attributes(self, table):
        noisy = add_noise(table, n_tags=3)
        for item in range(table.n_items):
            ids = noisy.ids[item][noisy.mask[item]].tolist()
            own = [noisy.names[i] for i in ids if noisy.fields[i] != "noise"]
            tags = [noisy.names[i] for i in ids if noisy.fields[i] == "noise"]
            assert own == [table.names[i] for i in table.ids[item][table.mask[item]]]
            assert len(set(tags)) == 3
        assert noisy.fields.count("noise") == 50
        assert noisy.labels == table.labels
        assert noisy.slot_fields[-3:] == ["noise"] * 3

    def test_ratings_do_not_depend_on_tags(self, table):
        plain = simulate_tastes(table, n_users=20, ratings_per_user=10)
        noisy = simulate_tastes(add_noise(table, n_tags=3), n_users=20, ratings_per_user=10)
        pd.testing.assert_frame_equal(plain.ratings, noisy.ratings)

    def test_tags_come_from_the_seed(self, table):
        one, same, other = (add_noise(table, n_tags=3, seed=seed) for seed in (0, 0, 1))
        assert torch.equal(one.ids, same.ids)
        assert not torch.equal(one.ids, other.ids)

    def test_no_tags_no_change(self, table):
        assert add_noise(table, n_tags=0) is table

    @pytest.mark.parametrize("n_tags", [-1, 51])
    def test_more_tags_than_there_are_is_refused(self, table, n_tags):
        with pytest.raises(ValueError, match=f"n_tags must be 0 to 50 .*got {n_tags}"):
            add_noise(table, n_tags)


def test_shared_credits_keep_only_names_with_several_films():
    movies = load_movies()
    kept = shared_credits(movies, min_films=3)
    directors = movies["director"].str.split("|").explode().value_counts()
    leads = pd.concat([movies["actor_1"], movies["actor_2"]]).value_counts()
    for row in kept.itertuples():
        assert all(directors[name] >= 3 for name in row.director.split("|"))
        names = [name for name in (row.actor_1, row.actor_2) if name]
        assert names and all(leads[name] >= 3 for name in names)
    assert len(kept) == 512
    pd.testing.assert_frame_equal(movies, load_movies())  # the films given are not changed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reasons": ["director"]}, "two or more of"),
        ({"reasons": ["director", "studio"]}, "two or more of"),
        ({"ratings_per_user": 513}, "513 ratings per user, but only 512 items"),
        ({"main_weight": 0.3}, "0.5 to 1, got 0.3"),
        ({"n_groups": 0}, "at least 1, or None for own tastes, got 0"),
        ({"only_with": ("decade", "genre")}, "a reason and a field of the table"),
        ({"only_with": ("actor", "studio")}, "a reason and a field of the table"),
    ],
)
def test_impossible_wishes_are_refused(table, options, words):
    with pytest.raises(ValueError, match=words):
        simulate_tastes(table, **options)


def test_the_world_is_told_in_words(table):
    tastes = simulate_tastes(table, 9, 20, n_groups=4, noise=1.0, seed=3)
    assert tastes.world == (
        "9 simulated users, 20 ratings each, 4 taste groups a field, main field 0.8, "
        "noise 1.0 stars, additive, seed 3"
    )
    own = simulate_tastes(table, 9, 20, n_groups=None, only_with=("actor", "genre"))
    assert "everybody an own taste" in own.world
    assert "actor counts only with some genres" in own.world


def worth(tastes, table) -> pd.DataFrame:
    """One row for each rating and attribute that is worth something: user, name, stars."""
    rows = []
    films = dict(zip(table.item_ids.tolist(), range(table.n_items)))
    for rating, parts in zip(tastes.ratings.itertuples(), tastes.contributions.tolist()):
        film = films[rating.movieId]
        in_field = {field: 0 for field in table.slot_fields}
        for slot, field in enumerate(table.slot_fields):
            in_field[field] += int(table.mask[film, slot])
        for slot, stars in enumerate(parts):
            if table.mask[film, slot] and table.slot_fields[slot] == "actor":
                name = table.names[table.ids[film, slot]]
                rows.append((rating.userId, film, name, stars * in_field["actor"]))
    return pd.DataFrame(rows, columns=["user", "film", "name", "stars"])


def test_in_groups_people_agree_and_with_own_tastes_they_do_not(table):
    """Two users for whom actors count alike agree on an actor only if they share a group."""
    for n_groups, alike in ((1, True), (None, False)):
        tastes = simulate_tastes(table, 40, 80, n_groups=n_groups, seed=1)
        found = worth(tastes, table)
        weight = tastes.field_weights["actor"]
        found = found[found["user"].map(weight) == 0.8]
        by_name = found.groupby("name")["stars"].agg(lambda stars: stars.round(9).nunique())
        common = found.groupby("name")["user"].nunique() > 3
        assert (by_name[common] == 1).all() == alike


def test_an_actor_that_counts_only_with_some_genres_is_worth_the_same_or_nothing(table):
    plain = simulate_tastes(table, 40, 80, seed=1)
    some = simulate_tastes(table, 40, 80, only_with=("actor", "genre"), seed=1)
    assert plain.ratings[["userId", "movieId"]].equals(some.ratings[["userId", "movieId"]])
    actor = np.array(table.slot_fields) == "actor"
    before, after = plain.contributions[:, actor], some.contributions[:, actor]
    counts = after != 0
    assert torch.equal(after[counts], before[counts])
    share = (counts.sum() / (before != 0).sum()).item()
    assert 0.4 < share < 0.7  # a quarter of the genres, and films have two or three
    others = torch.tensor(~actor)
    assert torch.equal(plain.contributions[:, others], some.contributions[:, others])


def test_whether_an_actor_counts_depends_on_the_films_genres_alone(table):
    """The same user, the same actor, the same genres: the same answer."""
    tastes = simulate_tastes(table, 40, 300, only_with=("actor", "genre"), seed=2)
    found = worth(tastes, table)
    genre = np.array(table.slot_fields) == "genre"
    genres = [tuple(sorted(set(row.tolist()) - {0})) for row in table.ids[:, torch.tensor(genre)]]
    found["genres"] = [genres[film] for film in found["film"]]
    answers = found.groupby(["user", "name", "genres"])["stars"].agg(
        lambda stars: (stars != 0).nunique()
    )
    assert (answers == 1).all()
