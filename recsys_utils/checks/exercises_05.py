"""The exercises of notebook 05: contributions, an honest split, intervals, full ranking."""

import numpy as np
import torch

from .exercise import Exercise, Mistake, numbers

# --- 05.1 contributions ------------------------------------------------------------------------


def contribution_cases() -> dict[str, tuple]:
    """Arguments key, value, user, mask: one film."""
    some = torch.tensor([True, True, False, True])
    return {
        "one film, an empty slot": (
            numbers(4, 9),
            numbers(4, 9, seed=1),
            numbers(9, seed=2),
            some,
        ),
    }


def weights_of(key, user, mask, scale: float = 0.5) -> torch.Tensor:
    """Softmax of k_i . u / d_k**scale over the filled slots."""
    scores = (key @ user / len(user) ** scale).masked_fill(~mask, -torch.inf)
    return torch.softmax(scores, dim=0)


def contributions(key, value, user, mask) -> torch.Tensor:
    """w_i (v_i . u), 0 in empty slots."""
    return weights_of(key, user, mask) * (value @ user)


everything = torch.ones(4, dtype=torch.bool)

explain_a_film = Exercise(
    "05.1",
    "The contributions of one film",
    hints=(
        "First the weights: score each key against the user, divide by the square root of d_k, "
        "softmax over the slots that are filled.",
        "What does a value say to this user? value @ user gives one number for each slot.",
        "A contribution is the weight times that number. Empty slots have the weight 0.",
    ),
    right=contributions,
    cases=contribution_cases,
    mistakes=(
        Mistake(
            "the weights are missing: you give what each value says, looked at or not.",
            lambda key, value, user, mask: (value @ user) * mask,
        ),
        Mistake(
            "these are the weights: where the model looked. What each value says is missing.",
            lambda key, value, user, mask: weights_of(key, user, mask),
        ),
        Mistake(
            "your weights are those without the scale 1 / sqrt(d_k).",
            lambda key, value, user, mask: weights_of(key, user, mask, 0.0) * (value @ user),
        ),
        Mistake(
            "you divide by d_k, not by its square root.",
            lambda key, value, user, mask: weights_of(key, user, mask, 1.0) * (value @ user),
        ),
        Mistake(
            "you multiply the weights by how well the key fits. What is passed on is the value.",
            lambda key, value, user, mask: weights_of(key, user, mask) * (key @ user),
        ),
        Mistake(
            "the empty slot takes part: the mask is ignored.",
            lambda key, value, user, mask: contributions(key, value, user, everything),
        ),
        Mistake(
            "you leave the empty slot out after softmax: its weight is lost to the others. "
            "It must be out before.",
            lambda key, value, user, mask: contributions(key, value, user, everything) * mask,
        ),
        Mistake(
            "key and value have changed places.",
            lambda key, value, user, mask: contributions(value, key, user, mask),
        ),
        Mistake(
            "this is their sum. Asked is what each slot adds.",
            lambda key, value, user, mask: contributions(key, value, user, mask).sum(),
        ),
    ),
)

# --- 05.2 debug this: a split that knows the future ---------------------------------------------


def split_cases() -> dict[str, tuple]:
    """Arguments items, times: one user's likes, in the order of the file."""
    return {
        "eight likes, two in one second": (
            [9, 8, 7, 6, 5, 4, 3, 2],
            [80, 10, 70, 20, 60, 60, 40, 50],
        ),
    }


def last_in_the_file(items, times):
    """The faulty function of the stub."""
    return list(items[:-1]), items[-2], items[-1]


def held_out(items, times, newest: int = 1, ties: int = 1):
    """Training, validation, test; `newest`, `ties`: 1 for ascending, -1 for descending."""
    order = sorted(range(len(items)), key=lambda i: (newest * times[i], ties * items[i]))
    items = [items[i] for i in order]
    return items[:-2], items[-2], items[-1]


def validation_trained(items, times):
    """The validation like stays in training."""
    train, validation, test = held_out(items, times)
    return [*train, validation], validation, test


def places_changed(items, times):
    """Validation after test."""
    train, validation, test = held_out(items, times)
    return train, test, validation


fair_split = Exercise(
    "05.2",
    "Debug this: a split that knows the future",
    hints=(
        "Is the last line of the file the last like in time? Look at the times.",
        "Sort by time first; where two times are equal, by item. Python sorts pairs like this: "
        "sorted(zip(times, items)).",
        "Then count: the last is the test, the one before it the validation. Is the validation "
        "like still in what you train on?",
    ),
    right=held_out,
    cases=split_cases,
    given=last_in_the_file,
    mistakes=(
        Mistake(
            "your model trains on the validation like: it must leave training as well.",
            validation_trained,
        ),
        Mistake(
            "you hold out the oldest likes: the model would know the future and guess the past.",
            lambda items, times: held_out(items, times, newest=-1, ties=-1),
        ),
        Mistake("validation and test have changed places: the test is the latest.", places_changed),
        Mistake(
            "you take the last in the file; the file is not sorted by time.",
            lambda items, times: (list(items[:-2]), items[-2], items[-1]),
        ),
        Mistake(
            "of two likes in the same second the one with the smaller item counts as earlier. "
            "A rule for ties, or two machines get two splits.",
            lambda items, times: held_out(items, times, ties=-1),
        ),
    ),
)

# --- 05.3 predict, then measure: the width of an interval ---------------------------------------


def half_width(users: int = 652, z: float = 1.96) -> float:
    """Of the 95 % interval of HR@10 = 0.15, by the normal approximation."""
    return z * float(np.sqrt(0.15 * 0.85 / users))


width = Exercise(
    "05.3",
    "Predict, then measure: how sure are 652 users?",
    hints=(
        "98 of 652 is 15 %. torch.arange(652) < 98 makes such hits; .double() turns them into "
        "numbers.",
        "low, high = bootstrap_interval(hits); half of high - low is asked.",
    ),
    right=half_width,
    predict=True,
    tolerance=2e-3,  # 2,000 draws
    mistakes=(
        Mistake("this is the whole interval; asked is half of it.", lambda: 2 * half_width()),
        Mistake(
            "this is the standard deviation of one user's hit, not of the mean of 652.",
            lambda: half_width(1, z=1.0),
        ),
        Mistake(
            "this is one standard error; an interval of 95 % is about twice as wide on each side.",
            lambda: half_width(z=1.0),
        ),
    ),
)

# --- 05.4 full ranking --------------------------------------------------------------------------


def rank_cases() -> dict[str, tuple]:
    """Arguments scores, seen, target: a batch of users."""
    scores = numbers(5, 30)
    seen = numbers(5, 30, seed=1) > 0.5
    target = torch.tensor([3, 0, 29, 11, 7])
    seen[torch.arange(5), target] = False
    return {
        "five users, many equal scores": ((2 * scores).round(), seen, target),
    }


def ranks(scores, seen, target, beats=torch.ge, start: int = 0) -> torch.Tensor:
    """The rank of each user's target among the items not seen."""
    own = scores.gather(1, target[:, None])
    return start + (beats(scores, own) & ~seen).sum(dim=1)


full_ranking = Exercise(
    "05.4",
    "The rank of the held-out film",
    hints=(
        "For each user: how many films that may be recommended score at least as high as the "
        "held-out one? It counts itself, so the best rank is 1.",
        "scores.gather(1, target[:, None]) picks each user's own score, as a column.",
        "((scores >= own) & ~seen).sum(dim=1)",
    ),
    right=ranks,
    cases=rank_cases,
    mistakes=(
        Mistake(
            "films the user has seen still compete: they would never be shown.",
            lambda scores, seen, target: ranks(scores, seen & False, target),
        ),
        Mistake(
            "a score of 0 does not take seen films out of the race: others are negative. Use "
            "minus infinity, or count only the others.",
            lambda scores, seen, target: ranks(scores * ~seen, seen & False, target),
        ),
        Mistake(
            "the held-out film is counted twice: `>=` counts it already.",
            lambda scores, seen, target: ranks(scores, seen, target, start=1),
        ),
        Mistake(
            "the best rank is 1, yours begins at 0.",
            lambda scores, seen, target: ranks(scores, seen, target, start=-1),
        ),
        Mistake(
            "ties count for the held-out film. Then a model that scores all films alike would be "
            "perfect: count them against it.",
            lambda scores, seen, target: ranks(scores, seen, target, torch.gt, start=1),
        ),
        Mistake(
            "you count the films that score *lower*: rank 1 is the highest score.",
            lambda scores, seen, target: ranks(scores, seen, target, torch.le),
        ),
        Mistake(
            "the mask is the wrong way round: you rank among the films the user has seen.",
            lambda scores, seen, target: ranks(scores, ~seen, target, start=1),
        ),
    ),
)

EXERCISES = [explain_a_film, fair_split, width, full_ranking]
