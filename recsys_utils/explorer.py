"""The explorer of notebook 05: choose somebody, read the reasons, leave one out, see what changes.

Only native controls of ipywidgets and plain HTML: it works with the keyboard, in JupyterLab and on
Binder. It shows numbers and computes none: that is done in `what_if`.
"""

import unicodedata
from html import escape

from ipywidgets import HTML, Button, Checkbox, Dropdown, HBox, Layout, Select, Text, VBox

from .explanation import Explanation
from .models import AttributeAttentionRecommender
from .plots import AGAINST, FOR, NEUTRAL
from .splits import LeaveOneOutSplit
from .what_if import Person, in_words

MOST_FOUND = 20  # films listed by a search
YOU = -1  # in place of a user's row: the person whose likes are chosen in the search


def plain(text: str) -> str:
    """Only letters and digits, without accents and capitals: "WALL·E" -> "walle"."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text).casefold()))


def bar(value: float, limit: float, *, signed: bool) -> str:
    """A number and its bar, as HTML. Signed: left (against) or right (for) of a line in the middle.

    Args:
        value: the number; its sign is printed if `signed`.
        limit: the value of a full bar, above 0.
    """
    width = 100 * min(abs(value) / limit, 1.0)
    left, colour, number, line = 0.0, NEUTRAL, f"{value:.2f}", ""
    if signed:
        width /= 2
        left, colour = (50.0, FOR) if value >= 0 else (50.0 - width, AGAINST)
        number = f"{round(value, 2) + 0.0:+.2f}"  # + 0.0: no "-0.00"
        line = "position:absolute;left:50%;height:100%;border-left:1px solid #555"
    return (
        f"<span style='display:inline-block;width:3em;text-align:right'>{number}</span> "
        "<span aria-hidden='true' style='display:inline-block;position:relative;width:9em;"
        "height:1em;margin-right:1em;vertical-align:middle;background:#eee'>"
        f"<span style='position:absolute;left:{left:.1f}%;width:{width:.1f}%;height:100%;"
        f"background:{colour}'></span><span style='{line}'></span></span>"
    )


def films_table(explanations: list[Explanation]) -> str:
    """The recommended films as an HTML table: rank, score, the sentence with film and reasons."""
    cell = "style='text-align:left;vertical-align:top;padding:1px 8px'"
    names = ("rank", "score", "film, and why")
    heads = "".join(f"<th scope='col' {cell}>{name}</th>" for name in names)
    rows = "".join(
        f"<tr><td {cell}>{rank}</td><td {cell}>{e.score:.3f}</td>"
        f"<td {cell}>{escape(e.sentence())}</td></tr>"
        for rank, e in enumerate(explanations, start=1)
    )
    return f"<table style='line-height:1.4'><tr>{heads}</tr>{rows}</table>"


def lines(texts: list[str]) -> str:
    """Lines of text as HTML that screen readers announce when it changes."""
    # Room for three lines, so that nothing below moves when one is added.
    room = "line-height:1.5" + (";min-height:4.5em" if len(texts) > 1 else "")
    return f"<div role='status' style='{room}'>{'<br>'.join(map(escape, texts))}</div>"


def offer(control: Dropdown | Select, options: list[tuple[str, int]]) -> None:
    """Give a control new options and choose the first, if there is one."""
    control.options = options
    control.index = 0 if options else None


class Explorer(VBox):
    """The controls and what they show. `explore` makes it."""

    def __init__(
        self, model: AttributeAttentionRecommender, split: LeaveOneOutSplit, row: int
    ) -> None:
        self.model, self.split, self.labels = model, split, model.table.labels
        self.titles = [plain(label) for label in self.labels]
        self.liked: list[int] = []
        self.filling = False  # True while the program sets the controls, not the user
        n_likes = split.users.bincount(minlength=split.n_users).tolist()
        people = [("you: the films you like, below", YOU)]
        people += [
            (f"user {i} ({n} likes)", r) for r, (i, n) in enumerate(zip(split.user_ids, n_likes))
        ]
        style, wrap = {"description_width": "8em"}, Layout(flex_flow="row wrap")
        wide, box = Layout(width="46em", max_width="98%"), Layout(width="30em", max_width="98%")
        slots = range(len(model.table.slots))

        self.who = Dropdown(options=people, value=row, description="Recommend for", style=style)
        self.search = Text(description="Part of a title", style=style)
        self.found = Select(description="Films found", rows=5, style=style, layout=box)
        self.like = Button(description="Like this film")
        self.likes = Select(description="Your likes", rows=5, style=style, layout=box)
        self.unlike = Button(description="Remove this film")
        self.message, self.top, self.words = HTML(), HTML(), HTML()
        self.film = Dropdown(description="Explain", style=style, layout=wide)
        self.ticks = [Checkbox(indent=False, layout=Layout(width="20em")) for _ in slots]
        self.bars = [HTML() for _ in slots]
        self.pairs = [HBox(pair, layout=wrap) for pair in zip(self.ticks, self.bars)]
        self.attributes = VBox()  # as many of the pairs as the film has attributes
        self.tick_all = Button(description="Tick all again")
        self.details = VBox([self.top, self.film, self.words, self.attributes, self.tick_all])
        searching = VBox([self.search, self.found, self.like])
        choosing = HBox([searching, VBox([self.likes, self.unlike])], layout=wrap)
        super().__init__([self.who, choosing, self.message, self.details])

        self.who.observe(lambda _: self.show_person(), "value")
        self.search.observe(lambda _: self.show_found(), "value")
        self.like.on_click(lambda _: self.add_like())
        self.unlike.on_click(lambda _: self.remove_like())
        self.film.observe(lambda _: self.show_film(), "value")
        self.tick_all.on_click(lambda _: self.show_film())
        for tick in self.ticks:
            tick.observe(lambda _: self.show_outcome(), "value")
        self.show_person()

    def say(self, text: str) -> None:
        """A line for the user: what happened, or what to do next."""
        self.message.value = lines([text])

    def show_found(self) -> None:
        """List the films whose title holds what was typed; those that begin with it come first."""
        wanted = plain(self.search.value)
        found = [i for i, title in enumerate(self.titles) if wanted and wanted in title]
        found.sort(key=lambda i: (not self.titles[i].startswith(wanted), self.labels[i]))
        offer(self.found, [(self.labels[i], i) for i in found[:MOST_FOUND]])
        more = f"; the first {MOST_FOUND} are listed" if len(found) > MOST_FOUND else ""
        if found:
            self.say(f"Films found: {len(found)}{more}. Choose one and press “Like this film”.")
        elif self.search.value:
            self.say(f"No film here has “{self.search.value}” in its title.")

    def add_like(self) -> None:
        """The film chosen in the search joins the likes."""
        film = self.found.value
        if film is None:
            self.say("No film is chosen: type part of a title first.")
        elif film in self.liked:
            self.say(f"{self.labels[film]} is among your likes already.")
        else:
            self.liked.append(film)
            self.show_likes()

    def remove_like(self) -> None:
        """The film chosen among the likes leaves them."""
        if self.likes.value is None:
            self.say("You have no likes to remove.")
        else:
            self.liked.remove(self.likes.value)
            self.show_likes()

    def show_likes(self) -> None:
        """List the likes, and recommend for them."""
        offer(self.likes, [(self.labels[i], i) for i in self.liked])
        if self.who.value == YOU:
            self.show_person()
        else:
            self.who.value = YOU  # which shows the person

    def show_person(self) -> None:
        """The ten films for the person chosen, and the first of them in depth."""
        row = self.who.value
        nobody = row == YOU and not self.liked
        self.details.layout.display = "none" if nobody else None
        if nobody:
            self.say("You have no likes yet: type part of a title and press “Like this film”.")
            return
        if row == YOU:
            self.say("Fitting your vector to your likes ...")  # takes half a second
            self.person = Person.from_likes(self.model, self.liked)
            self.say(f"These films are for you. Your likes: {len(self.liked)}.")
        else:
            self.person = Person.from_split(self.model, self.split, row)
            self.say(f"These films are for user {self.split.user_ids[row]}.")
        films = self.person.recommended()
        why = [self.person.model.explain(self.person.user, film) for film in films]
        self.top.value = films_table(why)
        self.filling = True
        offer(self.film, [(f"{r}. {e.label}", f) for r, (f, e) in enumerate(zip(films, why), 1)])
        self.filling = False
        self.show_film()

    def show_film(self) -> None:
        """One film: a ticked line for each of its attributes."""
        if self.filling:
            return
        self.full = self.person.outcome(self.film.value)
        explanation = self.full.explanation
        self.filling = True
        for tick, field, name in zip(self.ticks, explanation.fields, explanation.names):
            tick.description = "the film itself" if field == "film" else f"{field}: {name}"
            tick.value = True
        self.filling = False
        self.attributes.children = self.pairs[: len(explanation.names)]
        self.show_outcome()

    def show_outcome(self) -> None:
        """The film when only the ticked attributes count: in words, and a pair of bars for each."""
        if self.filling:
            return
        kept = [pair.children[0].value for pair in self.attributes.children]
        now = self.person.outcome(self.film.value, kept)
        self.words.value = lines(in_words(self.full, now, kept, self.person.n_films))
        shown = now.explanation or self.full.explanation  # if nothing is left, no bar is shown
        limit = abs(shown.contributions).max()
        for html, keep, weight, part in zip(self.bars, kept, shown.weights, shown.contributions):
            both = "weight " + bar(weight, 1.0, signed=False)
            both += "contribution " + bar(part, limit, signed=True)
            html.value = both if keep else "left out"


def explore(
    model: AttributeAttentionRecommender, split: LeaveOneOutSplit, user_id: int | None = None
) -> Explorer:
    """A widget to look at recommendations and their reasons, and to leave reasons out.

    Args:
        model: a trained model whose users are those of the split.
        split: who has rated what.
        user_id: whom to begin with, an id of `split.user_ids`; the first one if None.

    Raises:
        ValueError: the model has other users than the split, or nobody has this id.
    """
    n_users, ids = model.user.num_embeddings, split.user_ids.tolist()
    if n_users != split.n_users:
        raise ValueError(f"the model has {n_users} users, the split {split.n_users}")
    if user_id is not None and user_id not in ids:
        raise ValueError(f"user_id: nobody has {user_id}; the first ids are {ids[:3]}")
    return Explorer(model, split, 0 if user_id is None else ids.index(user_id))
