"""The explorer shows the model's own numbers, whatever one clicks; driven here without a browser.

Setting a control's value is what a click does. What the browser draws: tests/browser.
"""

import html
import re
import statistics
import time

import ipywidgets
import numpy as np
import pytest
import torch

from recsys_utils.data import AttributeTable, load_movies, load_ratings
from recsys_utils.evaluation import score_unseen, top_k
from recsys_utils.explanation import leave_one_out
from recsys_utils.explorer import MOST_FOUND, bar, explore, plain
from recsys_utils.models import AttributeAttentionRecommender
from recsys_utils.splits import leave_one_out_split
from recsys_utils.training import fold_in
from recsys_utils.what_if import Person

MOVIES = load_movies()
TABLE = AttributeTable.from_movies(MOVIES, min_films=2)
SPLIT = leave_one_out_split(load_ratings(movies=MOVIES), TABLE.item_ids)


def opinionated(table: AttributeTable, n_users: int) -> AttributeAttentionRecommender:
    """Not trained, but with weights and contributions that differ a lot."""
    model = AttributeAttentionRecommender(table, n_users, d_k=16)
    model.reset_parameters(1)
    with torch.no_grad():
        model.embedding.weight.mul_(8)
        model.user.weight.mul_(8)
        model.bias.copy_(torch.linspace(-1, 1, table.n_items))
    if table is TABLE and n_users == SPLIT.n_users:
        model.liked = SPLIT.histories()  # as `fit` does
    return model


MODEL = opinionated(TABLE, SPLIT.n_users)


@pytest.fixture
def explorer():
    return explore(MODEL, SPLIT, user_id=347)


def text(widget: ipywidgets.HTML) -> str:
    """What one reads: tags become spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", widget.value)).split())


def rows(explorer) -> list[str]:
    """The recommended films, as one reads them."""
    return [" ".join(row.description.split()) for row in explorer.top.children]


def in_a_row(rank: int, explanation) -> str:
    """A recommended film as it should be read: rank, name, score, reasons."""
    name = explanation.label
    why = explanation.sentence().removeprefix(f"{name}: ")
    return f"{rank} {name} · score {explanation.score:.3f} {why}"


def likes(explorer) -> list[str]:
    return [chip.description for chip in explorer.likes.children]


def row(explorer) -> int:
    return SPLIT.user_ids.tolist().index(explorer.who.value)


def ticks(explorer) -> list[ipywidgets.Checkbox]:
    return [pair.children[0] for pair in explorer.attributes.children]


def like(explorer, title: str) -> int:
    explorer.search.value = title
    explorer.listed.children[0].value = True
    return TABLE.position(title)


def found(explorer) -> list[str]:
    return [choice.description for choice in explorer.listed.children]


def every(widget: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    return [widget] + [w for child in getattr(widget, "children", ()) for w in every(child)]


# --- somebody's ten films ---


def test_the_ten_films_are_the_models_with_its_scores_and_sentences(explorer):
    for user_id in (347, 2, 671):
        explorer.who.value = user_id
        user = row(explorer)
        films = top_k(score_unseen(MODEL, SPLIT))[user].tolist()
        expected = [MODEL.explain(user, film) for film in films]
        assert explorer.films == films
        assert rows(explorer) == [in_a_row(i, e) for i, e in enumerate(expected, start=1)]
        n_likes = int((SPLIT.users == user).sum())
        line = f"These films are for user {user_id}, who has {n_likes} likes. Click one to see why."
        assert text(explorer.message) == line


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"nobody has 0; the first ids are \[2, 3, 4\]"):
        explore(MODEL, SPLIT, user_id=0)
    with pytest.raises(ValueError, match="the model has 5 users, the split 652"):
        explore(opinionated(TABLE, 5), SPLIT)
    assert explore(MODEL, SPLIT).who.value == 2


# --- one film ---


def signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}"


def test_each_attribute_has_a_line_with_its_weight_both_parts_and_support(explorer):
    for number in (1, 5, 10):
        explorer.rows[number - 1].click()
        expected = MODEL.explain(row(explorer), explorer.films[number - 1])
        names = ["the film itself" if f == "film" else f"{f}: {n}"
                 for f, n in zip(expected.fields, expected.names)]  # fmt: skip
        assert [tick.description for tick in ticks(explorer)] == names
        assert all(tick.value for tick in ticks(explorer))
        for place, pair in enumerate(explorer.attributes.children):
            support = f" {len(expected.support[place])} of your likes"
            assert text(pair.children[1]) == (
                f"weight {expected.weights[place]:.2f} for you {signed(expected.yours[place])} "
                f"for everybody {signed(expected.everybody[place])}"
                + ("" if expected.fields[place] == "film" else support)
            )
        assert text(explorer.title).startswith(f"Why {expected.label}?")
        chosen = [
            place for place, film in enumerate(explorer.rows) if "chosen" in film._dom_classes
        ]
        assert chosen == [number - 1]
        words = text(explorer.words)
        everybody, yours = expected.everybody.sum(), expected.yours.sum()
        assert (
            f"Score {expected.score:.3f} = base {expected.base:.3f} "
            f"+ for everybody {everybody:+.3f} + for you {yours:+.3f}." in words
        )
        assert f"Rank {number} of {(~SPLIT.seen('test')[row(explorer)]).sum()}" in words
        assert words.endswith(expected.sentence()) and "Without" not in words


def test_a_bar_is_as_long_as_its_number_and_says_the_sign():
    def drawn(value, limit, signed):
        drawing = bar("part", value, limit, signed=signed)
        found = re.search(r"left:([\d.]+)%;width:([\d.]+)%", drawing)
        return [float(number) for number in found.groups()]

    assert drawn(0.25, 1.0, signed=False) == [0, 25]
    assert drawn(1.0, 2.0, signed=True) == [50, 25]
    assert drawn(-1.0, 2.0, signed=True) == [25, 25]
    assert drawn(9.0, 2.0, signed=True) == [50, 50]
    with_sign = {
        1.0: (">+1.00<", "for"),
        -1.0: (">-1.00<", "against"),
        -0.001: (">+0.00<", "against"),
    }
    for value, (number, kind) in with_sign.items():
        drawing = bar("part", value, 2.0, signed=True)
        assert number in drawing and f"class='{kind}'" in drawing


def test_where_all_values_are_0_no_bar_is_drawn():
    assert "width:0.0%" in bar("part", 0.0, 0.0, signed=True)


# --- leaving attributes out ---


def test_leaving_one_attribute_out_changes_the_score_by_leave_one_out(explorer):
    user = row(explorer)
    scores = score_unseen(MODEL, SPLIT)[user]
    for number in (1, 6):
        explorer.rows[number - 1].click()
        film = explorer.films[number - 1]
        full = MODEL.explain(user, film)
        losses = leave_one_out(MODEL, user, film)
        for i, (tick, loss) in enumerate(zip(ticks(explorer), losses, strict=True)):
            tick.value = False
            score = full.score - loss
            others = torch.cat([scores[:film], scores[film + 1 :]])
            rank = 1 + int((others > score).sum())
            expected = (
                f"Without {full.says(i)}: score from {full.score:.3f} to {score:.3f} "
                f"({round(-loss, 3) + 0.0:+.3f}), rank from {number} to {rank}."
            )
            assert expected in text(explorer.words)
            assert text(explorer.bars[i]) == "left out"
            shown = [text(pair.children[1]) for pair in explorer.attributes.children]
            weights = [float(t.split()[1]) for t in shown if t != "left out"]
            assert len(weights) == len(losses) - 1
            assert sum(weights) == pytest.approx(1, abs=0.005 * len(weights))
            tick.value = True
            assert "Without" not in text(explorer.words)


def test_what_is_left_out_can_be_read_however_much_it_is(explorer):
    numbers = TABLE.mask[explorer.films].sum(dim=1)
    place = numbers.argmax().item()
    explorer.rows[place].click()
    full = MODEL.explain(row(explorer), explorer.films[place])
    n = len(full.names)
    names = [full.says(i) for i in range(n)]
    expected = {
        1: f"Without {names[0]}",
        2: f"Without {names[0]} and {names[1]}",
        3: f"Without 3 of its {n} attributes",
        n - 2: f"With only {names[-2]} and {names[-1]}",
        n - 1: f"With only {names[-1]}",
        n: "Without any attribute",
    }
    assert len(expected) == 6
    for i, tick in enumerate(ticks(explorer), start=1):
        tick.value = False
        if i in expected:
            assert f" {expected[i]}: score from " in text(explorer.words)


def test_several_left_out_are_masked_together(explorer):
    user, film = row(explorer), explorer.films[0]
    for i in (0, 2):
        ticks(explorer)[i].value = False
    mask = TABLE.mask[film].clone()
    mask[mask.nonzero()[:, 0][[0, 2]]] = False
    pair = torch.tensor([user]), torch.tensor([film])
    attended = MODEL.attend(*pair, mask=mask[None])
    full = MODEL.explain(user, film)
    assert f"Score {attended.logits.item():.3f} = " in text(explorer.words)
    assert f"Without {full.says(0)} and {full.says(2)}: " in text(explorer.words)
    kept = [i not in (0, 2) for i in range(len(full.names))]
    outcome = Person.from_split(MODEL, SPLIT, user).outcome(film, kept)
    slots = TABLE.mask[film].nonzero()[:, 0]
    assert np.allclose(outcome.explanation.weights, attended.weights[0, slots].detach())
    assert text(explorer.words).endswith(outcome.explanation.sentence())


def test_with_nothing_left_only_the_bias_counts(explorer):
    for tick in ticks(explorer):
        tick.value = False
    bias = MODEL.bias[explorer.films[0]].item()
    words = text(explorer.words)
    assert f"Score {bias:.3f}. Rank " in words
    assert words.endswith("Nothing is left to look at: only the film's own bias counts.")
    assert {text(pair.children[1]) for pair in explorer.attributes.children} == {"left out"}


def test_all_can_be_ticked_again_and_another_film_begins_complete(explorer):
    complete = [text(pair.children[1]) for pair in explorer.attributes.children]
    ticks(explorer)[0].value = ticks(explorer)[1].value = False
    explorer.tick_all.click()
    assert [text(pair.children[1]) for pair in explorer.attributes.children] == complete
    assert "Without" not in text(explorer.words)
    ticks(explorer)[0].value = False
    explorer.rows[3].click()
    assert all(tick.value for tick in ticks(explorer))
    explorer.who.value = 2
    assert explorer.place == 0 and "Rank 1 of" in text(explorer.words)


def test_no_control_is_there_that_has_nothing_to_do(explorer):
    assert explorer.tick_all not in every(explorer)
    ticks(explorer)[0].value = False
    assert explorer.tick_all in every(explorer)
    explorer.tick_all.click()
    assert explorer.tick_all not in every(explorer)
    for control in (explorer.forget, explorer.mine, *explorer.choices):
        assert control not in every(explorer)
    like(explorer, "Heat (1995)")
    assert explorer.forget in every(explorer) and explorer.mine in every(explorer)
    explorer.forget.click()
    assert explorer.forget not in every(explorer) and explorer.mine not in every(explorer)


def test_an_outcome_needs_one_value_for_each_attribute_and_a_film_to_recommend(explorer):
    person = Person.from_split(MODEL, SPLIT, 0)
    with pytest.raises(ValueError, match=r"attributes, 1 values"):
        person.outcome(person.recommended()[0], [True])
    with pytest.raises(ValueError, match="excluded"):
        person.outcome(int(SPLIT.rated[0][0]))


# --- your own films ---


def test_a_search_finds_parts_of_titles_without_accents_and_signs(explorer):
    first = {
        "heat": "Heat (1995)",
        "LEON THE": "Léon: The Professional (1994)",
        "wall-e": "WALL·E (2008)",
        "spirited": "Spirited Away (2001)",
        "up": "Up (2009)",  # before "Bringing Up Baby"
    }
    for typed, expected in first.items():
        explorer.search.value = typed
        assert found(explorer)[0] == expected
        assert all(plain(typed) in plain(label) for label in found(explorer))
        assert "Films found" in text(explorer.message)
    explorer.search.value = "the"
    assert len(found(explorer)) == MOST_FOUND
    assert f"the first {MOST_FOUND} are listed" in text(explorer.message)
    explorer.search.value = ""
    assert found(explorer) == []


def test_mistakes_get_a_friendly_line(explorer):
    explorer.search.value = "<b>no such film</b>"
    assert text(explorer.message) == "No film here has “<b>no such film</b>” in its title."
    assert found(explorer) == []
    explorer.who.value = 1
    assert text(explorer.message) == "Nobody has the id 1; there are 652, 2 to 671."
    assert not explorer.top.children and not explorer.details.children
    explorer.who.value = 2
    assert len(explorer.top.children) == 10 and explorer.attributes in explorer.details.children


def test_liked_films_make_a_new_user_as_fold_in_does(explorer):
    liked = [like(explorer, title) for title in ("Heat (1995)", "Alien (1979)")]
    assert explorer.mine.value and explorer.liked == liked
    assert likes(explorer) == ["Heat (1995) ×", "Alien (1979) ×"]
    with_me = fold_in(MODEL, torch.tensor(liked))
    scores = with_me(torch.tensor([SPLIT.n_users]))[0].detach()
    scores[liked] = -torch.inf
    films = scores.topk(10).indices.tolist()
    expected = [with_me.explain(SPLIT.n_users, film) for film in films]
    assert explorer.films == films
    assert rows(explorer) == [in_a_row(i, e) for i, e in enumerate(expected, start=1)]
    assert f"Rank 1 of {TABLE.n_items - 2} films" in text(explorer.words)
    losses = leave_one_out(with_me, SPLIT.n_users, films[0])
    ticks(explorer)[0].value = False
    assert f" to {expected[0].score - losses[0]:.3f} (" in text(explorer.words)


def test_likes_can_be_taken_back_and_then_the_user_is_shown_again(explorer):
    before = rows(explorer)
    like(explorer, "Heat (1995)")
    alone = rows(explorer)
    like(explorer, "Alien (1979)")
    assert rows(explorer) != alone
    explorer.listed.children[0].value = False
    assert rows(explorer) == alone and likes(explorer) == ["Heat (1995) ×"]
    like(explorer, "Alien (1979)")
    explorer.likes.children[1].click()
    assert rows(explorer) == alone and likes(explorer) == ["Heat (1995) ×"]
    assert not explorer.listed.children[0].value
    explorer.who.value = 2  # another user in between: the likes are kept
    assert not explorer.mine.value and "user 2" in text(explorer.message)
    explorer.who.value = 347
    explorer.mine.value = True
    assert rows(explorer) == alone
    explorer.search.value = "heat"
    assert explorer.listed.children[0].value
    explorer.forget.click()
    assert rows(explorer) == before and likes(explorer) == []
    assert not explorer.listed.children[0].value and not explorer.mine.value


# --- for everybody ---


def test_every_control_has_a_label_and_only_native_controls_are_used(explorer):
    like(explorer, "Heat")
    native = {ipywidgets.Button, ipywidgets.Checkbox, ipywidgets.IntText, ipywidgets.Text}
    containers = {ipywidgets.HBox, ipywidgets.VBox, ipywidgets.HTML, type(explorer)}
    for widget in every(explorer):
        assert type(widget) in native | containers
        assert type(widget) in containers or widget.description, widget
        assert (
            "<script" not in getattr(widget, "value", "") if type(widget) is ipywidgets.HTML else 1
        )


def test_where_there_are_no_widgets_one_line_says_so(explorer):
    assert (
        explorer._repr_mimebundle_()["text/plain"] == "The explorer: run this cell in JupyterLab."
    )


def test_names_are_shown_as_text_never_as_html():
    labels = [f"<i>Film</i> & {i}" for i in range(6)]
    table = AttributeTable.from_lists(
        range(6), labels, {"film": [[label] for label in labels], "actor": [["<u>A</u>"]] * 6}
    )
    model = opinionated(table, 1)
    person = Person.from_likes(model, [0])
    assert len(person.recommended()) == 5  # never what you like, and no more than there are
    ratings = load_ratings(movies=MOVIES).head(6).assign(userId=1, movieId=range(6), rating=5.0)
    explorer = explore(model, leave_one_out_split(ratings, table.item_ids))
    ticks(explorer)[1].value = False
    for shown in (explorer.title, explorer.words):
        assert "&lt;i&gt;Film&lt;/i&gt; &amp; " in shown.value
        assert "<i>" not in shown.value and "<u>" not in shown.value
    explorer.search.value = "film"
    for choice in explorer.listed.children:
        choice.value = True
    controls = [
        w for w in every(explorer) if isinstance(w, ipywidgets.Button | ipywidgets.Checkbox)
    ]
    assert len(controls) > 6
    assert not any(getattr(control, "description_allow_html", False) for control in controls)
    assert text(explorer.message) == "You like all the films there are."


def test_an_interaction_takes_less_than_a_tenth_of_a_second(explorer):
    """In time of the processor: other programs on the machine do not count. Usual: 1 to 40 ms.

    The way to the browser and back comes on top: tests/browser. Fitting a new user is no such
    interaction: `fold_in` takes about half a second, and a line says what is going on.
    """

    def toggle(i):
        ticks(explorer)[0].value = not ticks(explorer)[0].value

    def other_film(i):
        explorer.rows[i + 1].click()

    def other_user(i):
        explorer.who.value = SPLIT.user_ids[i].item()

    def search(i):
        explorer.search.value = "star wars"[: i + 1]

    for interaction in (toggle, other_film, other_user, search):
        seconds = []
        for i in range(9):
            start = time.process_time()
            interaction(i)
            seconds.append(time.process_time() - start)
        assert statistics.median(seconds) < 0.1, (interaction.__name__, seconds)
