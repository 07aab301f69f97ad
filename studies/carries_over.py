"""Does what explains films also explain goods and news?

Simulated shops and a simulated news desk: 300 people rate 100 things each, four taste groups a
field, five worlds (other things, other people, another start). The course's model, told only a new
table of attributes; validation chooses among four weight decays in every world. In a shop, brand,
category or price is the reason, and the colour never is. Three shops: tastes add up; each brand
makes one category only; a brand counts only in some categories. The news desk knows the words of a
headline; the reasons are topic and place, which it is not told. A fifth of its articles is new:
nobody has rated them. Asked, for ratings held out: how many are told right, and how often does the
largest |contribution| name the true main reason? For the shops also by the field of the true
reason. Beside it chance and the answer that needs no model: always the field that is most often
right (for the news, always the first word of the topic or always the place).
"""

import numpy as np
import torch
from running import Run, main
from simulated import World, train_best

from recsys_utils.data import AttributeTable
from recsys_utils.explanation import top_reason
from recsys_utils.models import AttributeAttentionRecommender
from recsys_utils.simulation import simulate_tastes
from recsys_utils.splits import RatedPairs, random_rows

N_USERS, N_RATINGS, D_K, WEIGHT_DECAYS = 300, 100, 32, [0.15, 0.3, 0.6, 1.2]
ADDITIVE = "shop: tastes add up"
TWINS = "shop: one category a brand"
CONDITIONAL = "shop: brands count in some categories"
NEWS = "news"
RUNS = [
    Run(variant, world=world)
    for variant in (ADDITIVE, TWINS, CONDITIONAL, NEWS)
    for world in range(5)
]
CHEAP = Run(ADDITIVE)
REASONS = ("brand", "category", "price")


def drawn(random: np.random.Generator, word: str, how_many: int, n: int) -> list[list[str]]:
    """One name a thing: "brand 7" out of so many brands."""
    return [[f"{word} {number}"] for number in random.integers(how_many, size=n)]


def shop(one_category: bool, seed: int, n: int = 240) -> AttributeTable:
    """Products with a brand, a category, a price band and a colour each."""
    random = np.random.default_rng(seed)
    fields = {
        "brand": drawn(random, "brand", 12, n),
        "category": drawn(random, "category", 12, n),
        "price": drawn(random, "price band", 4, n),
        "colour": drawn(random, "colour", 6, n),
    }
    if one_category:
        fields["category"] = [["category of " + brand] for (brand,) in fields["brand"]]
    return AttributeTable.from_lists(range(n), [f"product {i}" for i in range(n)], fields)


def desk(seed: int, n: int = 400) -> tuple[AttributeTable, AttributeTable]:
    """Headlines of four words: place, topic word, verb, topic word; and their reasons."""
    random = np.random.default_rng(seed)
    topics, places = drawn(random, "topic", 5, n), drawn(random, "place", 8, n)
    verbs, words = drawn(random, "verb", 8, n), []
    for (topic,), (place,), (verb,) in zip(topics, places, verbs):
        first, second = random.choice(6, 2, replace=False)  # six words a topic
        words.append([place, f"{topic}, word {first}", verb, f"{topic}, word {second}"])
    titles = [f"article {i}" for i in range(n)]
    seen = AttributeTable.from_lists(range(n), titles, {"word": words})
    return seen, AttributeTable.from_lists(range(n), titles, {"topic": topics, "place": places})


def in_a_shop(run: Run) -> dict:
    """Train in one of the shops, judge the reasons of held-out ratings."""
    goods = shop(run.variant == TWINS, run.world)
    only_with = ("brand", "category") if run.variant == CONDITIONAL else None
    tastes = simulate_tastes(
        goods, N_USERS, N_RATINGS, REASONS, only_with=only_with, seed=run.world
    )
    world = World.of(goods, tastes)
    model, found = train_best(
        lambda: AttributeAttentionRecommender(goods, N_USERS, D_K), world, run.world, WEIGHT_DECAYS
    )
    test = world.test
    given = model.contribute(test.users, test.items)
    truth, named = (top_reason(each, world.mask) for each in (world.truth, given.contributions))
    found["told right"] = ((given.logits > 0) == test.liked).double().mean()
    likes = test.liked.double().mean()
    found["always the commoner answer"] = max(likes, 1 - likes)
    found["true by contribution"] = (named == truth).double().mean()
    found["true by weight"] = world.found(given.weights)
    found["always the commonest"], found["chance"] = world.always_the_commonest(), world.chance()
    for slot, field in enumerate(REASONS):
        found[f"reason is the {field}: share"] = (truth == slot).double().mean()
        found[f"reason is the {field}: found"] = (named == truth)[truth == slot].double().mean()
    # Slots 0 and 1 are brand and category: count them as one reason.
    same = named.clamp(min=1) == truth.clamp(min=1)
    found["true, brand and category as one"] = same.double().mean()
    found["colour named"] = (named == 3).double().mean()
    return found


def at_the_desk(run: Run) -> dict:
    """Train on known articles, judge known and new ones. Words 1 and 3 are those of the topic."""
    seen, truth = desk(run.world)
    tastes = simulate_tastes(truth, N_USERS, N_RATINGS, ("topic", "place"), seed=run.world)
    pairs = RatedPairs.from_ratings(tastes.ratings, seen.item_ids)
    is_new = pairs.items >= 320
    known = torch.where(~is_new)[0]
    parts = [known[part] for part in random_rows(len(known))]
    train, validation, held_out = [pairs.take(part) for part in parts]
    nothing = tastes.contributions[:0]  # the truth is judged below
    world = World(seen, train, validation, held_out, nothing, nothing)
    model, found = train_best(
        lambda: AttributeAttentionRecommender(seen, N_USERS, D_K), world, run.world, WEIGHT_DECAYS
    )
    for name, rows in (("known", parts[2]), ("new", torch.where(is_new)[0])):
        test = pairs.take(rows)
        given = model.contribute(test.users, test.items)
        is_place = tastes.contributions[rows].abs().argmax(dim=1) == 1
        for kind in ("contribution", "weight"):
            values = given.contributions.abs() if kind == "contribution" else given.weights
            word = values.argmax(dim=1)
            right = torch.where(is_place, word == 0, (word == 1) | (word == 3))
            found[f"{name}: true by {kind}"] = right.double().mean()
        found[f"{name}: told right"] = ((given.logits > 0) == test.liked).double().mean()
        likes = test.liked.double().mean()
        found[f"{name}: always the commoner answer"] = max(likes, 1 - likes)
        found[f"{name}: chance"] = torch.where(is_place, 0.25, 0.5).mean()
        place = is_place.double().mean()
        found[f"{name}: always the commonest"] = max(place, 1 - place)
    return found


def work(run: Run) -> dict:
    """One world."""
    return at_the_desk(run) if run.variant == NEWS else in_a_shop(run)


if __name__ == "__main__":
    main(__file__, RUNS, work)
