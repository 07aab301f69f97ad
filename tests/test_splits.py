"""Ratings as likes and dislikes, and rows dealt out. (Leave-one-out splits: test_data.py.)"""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_utils.splits import RatedPairs, item_rows, random_rows

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
