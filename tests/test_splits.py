"""Ratings as likes and dislikes, and rows dealt out. (Leave-one-out splits: test_data.py.)"""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_utils.splits import RatedPairs, item_rows, leave_one_out_split, random_rows

budget = settings(max_examples=60, derandomize=True, deadline=None)
IDS = np.array([50, 10, 40])  # neither sorted nor row numbers


@pytest.fixture
def ratings() -> pd.DataFrame:
    rows = [(7, 10, 4.0), (3, 40, 3.5), (7, 50, 5.0), (3, 10, 0.5)]
    return pd.DataFrame(rows, columns=["userId", "movieId", "rating"])


def test_an_item_is_known_by_its_row_in_the_catalogue(ratings):
    assert item_rows(ratings, IDS).tolist() == [1, 2, 0, 1]
    with pytest.raises(ValueError, match="movieId 40 is rated, but not in the catalogue"):
        item_rows(ratings, IDS[:2])
    with pytest.raises(ValueError, match="item_ids: 10 is there twice, expected one row"):
        item_rows(ratings, [50, 10, 40, 10])


def own_table() -> pd.DataFrame:
    """Two users, six likes each, as somebody writes it down without the loaders."""
    rows = [(user, 10 * t, 4.5, 95 + t) for user in (2, 10) for t in range(1, 7)]
    return pd.DataFrame(rows, columns=["userId", "movieId", "rating", "timestamp"])


OWN_IDS = [10, 20, 30, 40, 50, 60]


class TestOwnTables:
    """Tables that no loader has seen give the right split, or an error that names the column."""

    @pytest.mark.parametrize(
        "change",
        [
            lambda table: table.sample(frac=1, random_state=3),
            lambda table: table.set_axis([0, 1, 2, 3, 4, 5] * 2),
            lambda table: table.assign(userId=table["userId"].map("user {:02}".format)),
            lambda table: table.assign(timestamp=pd.to_datetime(table["timestamp"], unit="s")),
            lambda table: table.convert_dtypes(),
        ],
        ids=["shuffled", "index twice", "text as userId", "dates", "pandas' own dtypes"],
    )
    def test_the_same_ratings_written_otherwise_give_the_same_split(self, change):
        split = leave_one_out_split(change(own_table()), OWN_IDS)
        assert split.items.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
        assert (split.validation.tolist(), split.test.tolist()) == ([4, 4], [5, 5])

    @pytest.mark.parametrize("column", ["userId", "movieId", "rating", "timestamp"])
    def test_a_value_that_is_missing_is_named_with_its_row(self, column):
        table = own_table()
        table[column] = table[column].astype("float64").where(table.index != 3)
        with pytest.raises(ValueError, match=f"ratings, row 3: {column} is missing"):
            leave_one_out_split(table, OWN_IDS)

    @pytest.mark.parametrize("column", ["userId", "movieId", "rating", "timestamp"])
    def test_a_column_that_is_missing_is_named(self, column):
        with pytest.raises(ValueError, match=f"ratings have no column '{column}', only"):
            leave_one_out_split(own_table().drop(columns=column), OWN_IDS)

    @pytest.mark.parametrize("column", ["rating", "timestamp"])
    def test_text_is_not_compared_as_if_it_were_numbers(self, column):
        """As texts "100" comes before "98", so that another film would be the last one."""
        table = own_table().astype({column: str})
        with pytest.raises(ValueError, match=f"column {column}: expected numbers, got '"):
            leave_one_out_split(table, OWN_IDS)

    def test_a_film_rated_twice_is_refused_so_that_no_test_film_is_trained_on(self):
        again = pd.DataFrame([(2, 20, 5.0, 999)], columns=own_table().columns)
        table = pd.concat([own_table(), again])
        said = "user 2 has rated movieId 20 twice, expected one rating"
        with pytest.raises(ValueError, match=said):
            leave_one_out_split(table, OWN_IDS)
        with pytest.raises(ValueError, match=said):
            RatedPairs.from_ratings(table, OWN_IDS)

    def test_likes_and_dislikes_need_no_times(self):
        table = own_table().drop(columns="timestamp")
        assert len(RatedPairs.from_ratings(table, OWN_IDS).users) == 12
        with pytest.raises(ValueError, match="no column 'rating'"):
            RatedPairs.from_ratings(table.drop(columns="rating"), OWN_IDS)


class TestRatedPairs:
    """The same ratings as row numbers and True/False."""

    def test_users_are_numbered_by_their_ids_and_four_stars_are_a_like(self, ratings):
        pairs = RatedPairs.from_ratings(ratings, IDS)
        assert pairs.users.tolist() == [1, 0, 1, 0]
        assert pairs.items.tolist() == [1, 2, 0, 1]
        assert pairs.liked.tolist() == [True, False, True, False]
        assert RatedPairs.from_ratings(ratings, IDS, like=3.5).liked.sum() == 3

    def test_rows_are_taken_in_the_order_asked_for(self, ratings):
        some = RatedPairs.from_ratings(ratings, IDS).take(torch.tensor([2, 1]))
        assert [x.tolist() for x in some] == [[1, 0], [0, 2], [True, False]]

    def test_a_table_tells_a_dislike_from_no_rating(self, ratings):
        liked, rated = RatedPairs.from_ratings(ratings, IDS).to_table(n_users=2, n_items=3)
        assert liked.tolist() == [[False, False, False], [True, True, False]]
        assert rated.tolist() == [[False, True, True], [True, True, False]]

    def test_a_table_of_fewer_users_or_items_is_refused(self, ratings):
        pairs = RatedPairs.from_ratings(ratings, IDS)
        with pytest.raises(ValueError, match="user number 1 is rated, but there are only 1 users"):
            pairs.to_table(n_users=1, n_items=3)
        with pytest.raises(ValueError, match="item number 2 is rated, but there are only 2 items"):
            pairs.to_table(n_users=2, n_items=2)


class TestRandomRows:
    """Every row goes to one part, by chance."""

    @budget
    @given(st.integers(0, 200), st.sampled_from([(0.8, 0.1, 0.1), (0.7, 0.2, 0.1), (0.5, 0.5)]))
    def test_every_row_is_in_one_part_and_the_parts_have_their_shares(self, n, shares):
        parts = random_rows(n, shares)
        assert torch.cat(parts).sort().values.tolist() == list(range(n))
        assert len(parts) == len(shares)
        assert all(abs(len(part) - share * n) <= 1 for part, share in zip(parts, shares))

    def test_eight_tenths_are_for_training(self):
        assert [len(part) for part in random_rows(1000)] == [800, 100, 100]

    def test_the_same_seed_is_the_same_order_and_another_is_not(self):
        rows = random_rows(50)[0].tolist()
        assert rows != sorted(rows)
        assert random_rows(50, seed=0)[0].tolist() == rows
        assert random_rows(50, seed=1)[0].tolist() != rows

    @pytest.mark.parametrize("shares", [(0.8, 0.1), (0.8, 0.2, 0.1)])
    def test_shares_that_do_not_add_up_are_refused(self, shares):
        with pytest.raises(ValueError, match=r"shares must add up to 1, got \(0.8, "):
            random_rows(10, shares)
