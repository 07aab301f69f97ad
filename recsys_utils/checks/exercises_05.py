"""The exercises of notebook 05: contributions, an honest split, intervals, full ranking."""

import numpy as np
import torch

from .comparing import numbers_or_none
from .exercise import Draw, Exercise, Mistake, Rule

# --- 05.1 contributions ------------------------------------------------------------------------


def contribution_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments key, value, user, mask, average: one film."""
    key = torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 2.0, 0.0, 1.0], [1.0, 1.0, 0.0, 0.0]])
    value = torch.tensor([[2.0, 0.0, 0.0, 1.0], [0.0, -1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 3.0]])
    some = torch.tensor([True, True, False])
    mask = draw.mask(1, 5)[0]
    mask[0] = True
    return {
        "three slots, the last is empty": (
            key, value, torch.tensor([1.0, 2.0, 0.0, 1.0]), some, 0.5,
        ),
        "all scores far below 0": (
            -10 * key - 5, value, torch.tensor([2.0, 1.0, 1.0, 1.0]), some, -1.0,
        ),
        "a random film": (
            draw.numbers(5, 9), draw.numbers(5, 9), draw.numbers(9), mask,
            float(draw.numbers(1)) + 2.0,
        ),
    }  # fmt: skip


def softmax_of(scores, mask):
    """Softmax over the filled slots."""
    return torch.softmax(scores.masked_fill(~mask, -torch.inf), dim=0).nan_to_num(0.0)


def contributions_with(
    weigh=softmax_of,
    scale=lambda d: d**0.5,
    says=lambda key, value, user: value @ user,
    match=lambda key, value, user: key @ user,
    zero=lambda weights, average: weights * average,
):
    """w_i (v_i . u - average), 0 in empty slots; with something done in another way."""

    def contributions(key, value, user, mask, average):
        weights = weigh(match(key, value, user) / scale(len(user)), mask)
        return weights * says(key, value, user) - zero(weights, average)

    return contributions


def contributions_added(*case):
    """One number."""
    return contributions_with()(*case).sum()


FILLED = "scores.masked_fill(~mask, -torch.inf) before softmax."

explain_a_film = Exercise(
    "05.1",
    "The contributions of one film",
    level="Easy",
    minutes=10,
    stub='''def contributions(key, value, user, mask, average):
    """What each slot adds, measured from the average film: `(n_slots,)`."""
    scores = ...
    weights = ...
    return ...''',
    hints=(
        "First the weights: score each key against the user, divide by the square root of d_k, "
        "softmax over the slots that are filled.",
        "What does a value say to this user? value @ user gives one number for each slot. How much "
        "more is that than `average`?",
        "A contribution is the weight times (value @ user - average). Empty slots have the "
        "weight 0.",
    ),
    way=contributions_with,
    cases=contribution_cases,
    axes=("slot",),
    mistakes=(
        Mistake(
            "this is measured from 0, as on paper. Measure it from the average film.",
            "weights * (value @ user - average)",
            changes={"zero": lambda weights, average: 0.0},
        ),
        Mistake(
            "you take the whole average away from each slot; each loses only its weight's share.",
            "weights * (value @ user - average)",
            changes={"zero": lambda weights, average: average},
        ),
        Mistake(
            "the average film is added, not taken away.",
            "weights * (value @ user - average)",
            changes={"zero": lambda weights, average: -weights * average},
        ),
        Mistake(
            "the weights are missing: you give what each value says, looked at or not.",
            "Multiply by the weights.",
            changes={"weigh": lambda scores, mask: mask.float()},
        ),
        Mistake(
            "these are the weights: where the model looked. What each value says is missing.",
            "Multiply by (value @ user - average).",
            lambda key, value, user, mask, average: softmax_of(key @ user / len(user) ** 0.5, mask),
        ),
        Mistake(
            "your weights are those without the scale 1 / sqrt(d_k).",
            "Divide the scores by len(user) ** 0.5.",
            changes={"scale": lambda d: 1.0},
        ),
        Mistake(
            "you divide by d_k, not by its square root.",
            "Divide the scores by len(user) ** 0.5.",
            changes={"scale": float},
        ),
        Mistake(
            "you multiply the weights by how well the key fits. What is passed on is the value.",
            "Keys make the weights. Then value @ user.",
            changes={"says": lambda key, value, user: key @ user},
        ),
        Mistake(
            "the empty slot takes part: the mask is ignored.",
            FILLED,
            changes={"weigh": lambda scores, mask: torch.softmax(scores, dim=0)},
        ),
        Mistake(
            "you leave the empty slot out after softmax: its weight is lost to the others. "
            "It must be out before.",
            FILLED,
            changes={"weigh": lambda scores, mask: torch.softmax(scores, dim=0) * mask},
        ),
        Mistake(
            "a score of 0 is not out of the race: exp(0) = 1. Fill with minus infinity.",
            FILLED,
            changes={"weigh": lambda scores, mask: torch.softmax(scores * mask, dim=0)},
        ),
        Mistake(
            "-10 is not low enough: here all scores are lower. Fill with minus infinity.",
            FILLED,
            changes={
                "weigh": lambda scores, mask: torch.softmax(scores.masked_fill(~mask, -10.0), 0)
            },
        ),
        Mistake(
            "the mask is the wrong way round: True means the slot is filled.",
            "masked_fill fills where it finds True: give it ~mask.",
            changes={"weigh": lambda scores, mask: softmax_of(scores, ~mask)},
        ),
        Mistake(
            "key and value have changed places.",
            "Keys make the weights, values are read.",
            lambda key, value, *rest: contributions_with()(value, key, *rest),
        ),
        Mistake(
            "this is their sum. Asked is what each slot adds.",
            "Multiply with *, not with @, and leave out .sum().",
            contributions_added,
        ),
    ),
)

# --- 05.2 debug this: a split that knows the future ---------------------------------------------


def split_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments items, times: one user's likes, in the order of the file."""
    n = int(draw.whole(11, 20, 1))
    return {
        "eight likes, two in one second": (
            [9, 8, 7, 6, 5, 4, 3, 2],
            [80, 10, 70, 20, 60, 60, 40, 50],
        ),
        "three likes": ([30, 10, 20], [700, 900, 800]),
        "the two last in one second": ([5, 90, 70, 3], [100, 400, 400, 200]),
        "random likes": (draw.order(n).tolist(), draw.whole(0, 8, n).tolist()),
    }


def split_with(order=lambda like: like, ties=1, train=lambda items: items[:-2], places=(-2, -1)):
    """Training, validation, test; with something done in another way."""

    def hold_out(items, times):
        rows = sorted(range(len(items)), key=lambda i: order((times[i], ties * items[i])))
        ordered = [items[i] for i in rows]
        return train(ordered), ordered[places[0]], ordered[places[1]]

    return hold_out


def last_in_the_file(items, times):
    """The faulty function of the stub."""
    return list(items[:-1]), items[-2], items[-1]


def by_file(items, times):
    """Not sorted at all."""
    return list(items[:-2]), items[-2], items[-1]


def held_out_by_time_only(items, times):
    """The right films held out, the training films in the order of the file."""
    train, validation, test = split_with()(items, times)
    return [item for item in items if item in train], validation, test


def eighty_percent(items):
    """A fifth is held out, whatever the length."""
    return items[: int(0.8 * len(items))]


TIES = (
    "of two likes in the same second the one with the smaller item counts as earlier. A rule for "
    "ties, or two machines get two splits."
)


def pairs_kept(answer, items, times) -> str | None:
    """(time, item) in place of the item."""
    if not isinstance(answer, tuple | list) or len(answer) != 3:
        return None
    if numbers_or_none(answer[2], (2,)) is None:
        return None
    return "you give pairs (time, item). Take the items out of the sorted pairs."


fair_split = Exercise(
    "05.2",
    "Debug this: a split that knows the future",
    level="Medium",
    minutes=10,
    stub='''def hold_out(items, times):
    """Training items (a list), validation item, test item."""
    training = items[:-1]
    validation = items[-2]
    test = items[-1]
    return training, validation, test''',
    hints=(
        "Is the last line of the file the last like in time? Look at the times.",
        "Sort by time first; where two times are equal, by item. Python sorts pairs like this: "
        "sorted(zip(times, items)).",
        "Then count: the last is the test, the one before it the validation. Is the validation "
        "like still in what you train on?",
    ),
    way=split_with,
    cases=split_cases,
    debug=True,
    parts=("training items", "validation item", "test item"),
    mistakes=(
        Mistake(
            "this still gives what the code gave: it does not look at the times.",
            "Sort the items by time first.",
            last_in_the_file,
        ),
        Mistake(
            "your model trains on the validation like: it must leave training as well.",
            "Training ends two before the end: [:-2].",
            changes={"train": lambda items: items[:-1]},
        ),
        Mistake(
            "your model trains on all likes, also on those it is tested with.",
            "Training ends two before the end: [:-2].",
            changes={"train": lambda items: items},
        ),
        Mistake(
            "four fifths are not all but two: it depends on the number of likes.",
            "Training ends two before the end: [:-2].",
            changes={"train": eighty_percent},
        ),
        Mistake(
            "you hold out the oldest likes: the model would know the future and guess the past.",
            "The newest time must come last.",
            changes={"order": lambda like: (-like[0], -like[1])},
        ),
        Mistake(
            "validation and test have changed places: the test is the latest.",
            "test = the last, validation = the last but one.",
            changes={"places": (-1, -2)},
        ),
        Mistake(
            "you take the last in the file; the file is not sorted by time.",
            "sorted(zip(times, items)) sorts by time.",
            by_file,
        ),
        Mistake(
            "the right likes are held out, but the training items are in the order of the file. "
            "They should be in time.",
            "Cut the sorted list in pieces, not the old one.",
            held_out_by_time_only,
        ),
        Mistake(
            "you sort by item. Time comes first; the item decides only between equal times.",
            "sorted(zip(times, items)): the first part of the pair counts first.",
            changes={"order": lambda like: like[1]},
        ),
        Mistake(TIES, "Sort pairs (time, item), not the times alone.", changes={"ties": 0}),
        Mistake(TIES, "The smaller item comes first.", changes={"ties": -1}),
    ),
    rules=(Rule(pairs_kept, "A loop: for time, item in sorted(...): in_time.append(item)."),),
)

# --- 05.3 predict, then measure: the width of an interval ---------------------------------------


def width_with(users=652, reach=2 * 1.96):
    """Of the 95 % interval of HR@10 = 0.15, by the normal approximation."""
    return lambda: reach * float(np.sqrt(0.15 * 0.85 / users))


def in_percent(result) -> str | None:
    """Times 100; measured, so it is told by its size."""
    found = numbers_or_none(result)
    if found is not None and found.size == 1 and 4.5 < found.item() < 6.5:
        return "this is in percent. HR@10 is a share between 0 and 1, and so is the width."
    return None


def both_ends(result) -> str | None:
    """The pair from `bootstrap_interval`."""
    found = numbers_or_none(result, (2,))
    if found is None:
        return None
    if abs(found - [0.15 - width_with()() / 2, 0.15 + width_with()() / 2]).max() < 5e-3:
        return "these are the two ends of the interval. Asked is how far they are apart."
    if abs(abs(found) - width_with()() / 2).max() < 5e-3:
        return "you give the reach to each side. Asked is one number: from end to end."
    return None


width = Exercise(
    "05.3",
    "Predict, then measure: how sure are 652 users?",
    level="Medium",
    minutes=10,
    stub="""from recsys_utils.evaluation import bootstrap_interval

prediction = ...
measured = ...""",
    hints=(
        "A user is a hit (1) or not (0). torch.arange(652) < 98 makes 98 hits and 554 others; "
        ".double() turns them into numbers.",
        "low, high = bootstrap_interval(hits) gives both ends.",
        "The width is high - low.",
    ),
    way=width_with,
    predict=True,
    tolerance=5e-3,  # 2,000 draws, any seed
    mistakes=(
        Mistake(
            "this is half of it: the reach to one side. Asked is the distance from end to end.",
            "high - low, not divided by 2.",
            changes={"reach": 1.96},
        ),
        Mistake(
            "this is the standard deviation of one user's hit, not of the mean of 652.",
            "Give the 652 hits to bootstrap_interval.",
            lambda: width_with(users=1, reach=1.0)(),
        ),
        Mistake(
            "this is one standard error; an interval of 95 % is about four of them wide.",
            "Give the 652 hits to bootstrap_interval.",
            changes={"reach": 1.0},
        ),
        Mistake(
            "this is the share of hits itself. Asked is how unsure it is.",
            "Give the 652 hits to bootstrap_interval.",
            lambda: 98 / 652,
        ),
    ),
    rules=(
        Rule(both_ends, "low, high = bootstrap_interval(hits); then high - low."),
        Rule(in_percent, "Do not multiply by 100."),
    ),
)

# --- 05.4 full ranking --------------------------------------------------------------------------


def rank_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments scores, seen, target: a batch of users."""
    scores = torch.tensor([[3.0, 5.0, 1.0, 3.0], [-2.0, -1.0, -3.0, -4.0]])
    seen = torch.tensor([[False, True, False, False], [True, False, False, False]])
    many = (2 * draw.numbers(6, 30)).round()
    known = draw.numbers(6, 30) > 0.3
    target = draw.whole(0, 30, 6)
    known[torch.arange(6), target] = False
    return {
        "two users, four films": (scores, seen, torch.tensor([0, 2])),
        "all films score the same": (
            torch.ones(1, 5), torch.tensor([[False, False, True, False, False]]), torch.tensor([1]),
        ),
        "random scores, many ties": (many, known, target),
    }  # fmt: skip


def rank_with(
    beats=torch.ge, start=0, open_to=lambda seen: ~seen, change=lambda scores, seen: scores
):
    """The rank of each user's target among the items not seen, counted in another way."""

    def ranks(scores, seen, target):
        scores = change(scores, seen)
        own = scores.gather(1, target[:, None])
        return start + (beats(scores, own) & open_to(seen)).sum(dim=1)

    return ranks


def everybody(seen):
    """Seen films compete, too."""
    return torch.ones_like(seen)


def by_sorting(scores, seen, target):
    """argsort of argsort: ties go by the number of the film."""
    places = (-scores.masked_fill(seen, -torch.inf)).argsort(dim=1, stable=True)
    return 1 + places.argsort(dim=1).gather(1, target[:, None])[:, 0]


def position_of_position(scores, seen, target):
    """One argsort: which film stands at place `target`."""
    places = (-scores.masked_fill(seen, -torch.inf)).argsort(dim=1, stable=True)
    return 1 + places.gather(1, target[:, None])[:, 0]


full_ranking = Exercise(
    "05.4",
    "The rank of the held-out film",
    level="Hard",
    minutes=20,
    stub='''def target_rank(scores, seen, target):
    """The rank of each user's held-out film, `(n_users,)`."""
    ranks = []
    for user in range(len(scores)):
        own = scores[user, target[user]]
        ...
    return torch.tensor(ranks)''',
    hints=(
        "You need not sort anything. What does it mean that a film has rank 3?",
        "Count films: who stands in front of the held-out one, or beside it? And who may not stand "
        "there at all?",
        "(scores[user] >= own) & ~seen[user] is True for each film that counts, the held-out one "
        "among them. Add them up with .sum().",
    ),
    way=rank_with,
    cases=rank_cases,
    axes=("user",),
    mistakes=(
        Mistake(
            "films the user has seen still compete: they would never be shown.",
            "& ~seen[user]",
            changes={"open_to": everybody},
        ),
        Mistake(
            "a score of 0 does not take seen films out of the race: others are negative. Use "
            "minus infinity, or count only the others.",
            "& ~seen[user] counts only the others.",
            rank_with(open_to=everybody, change=lambda scores, seen: scores * ~seen),
        ),
        Mistake(
            "the held-out film is counted twice: `>=` counts it already.",
            "No + 1 with >=.",
            changes={"start": 1},
        ),
        Mistake(
            "the best rank is 1, yours begins at 0.",
            "The held-out film counts itself: >= does that.",
            changes={"start": -1},
        ),
        Mistake(
            "ties count for the held-out film. Then a model that scores all films alike would be "
            "perfect: count them against it.",
            "Compare with >=. Then the film counts itself, too, so no + 1.",
            rank_with(torch.gt, start=1),
        ),
        Mistake(
            "the film itself is not counted, and ties count for it: > instead of >=.",
            "Compare with >=.",
            changes={"beats": torch.gt},
        ),
        Mistake(
            "you count the films that score *lower*: rank 1 is the highest score.",
            "The other way round: >=.",
            changes={"beats": torch.le},
        ),
        Mistake(
            "the mask is the wrong way round: you rank among the films the user has seen.",
            "~seen is True for the films that may be recommended.",
            rank_with(start=1, open_to=lambda seen: seen),
        ),
        Mistake(
            "sorting breaks ties by the number of the film: a rule that nobody chose. Ties count "
            "against the held-out film.",
            "Count instead: how many scores are at least as high?",
            by_sorting,
        ),
        Mistake(
            "argsort tells which film stands at a place, not at which place a film stands.",
            "Count instead: how many scores are at least as high?",
            position_of_position,
        ),
    ),
)

EXERCISES = [explain_a_film, fair_split, width, full_ranking]
