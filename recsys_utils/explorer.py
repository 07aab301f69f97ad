"""The explorer of notebook 05: choose somebody, read the reasons, leave one out, see what changes.

Only native controls of ipywidgets and plain HTML. No drop-down lists: in JupyterLab the keys one
presses in a list (arrows, letters, digits) are taken for commands of the notebook. Text and number
fields, checkboxes and buttons keep theirs. Numbers are shown here and computed in `what_if`.
"""

import unicodedata
from html import escape

from ipywidgets import HTML, BoundedIntText, Button, Checkbox, HBox, IntText, Layout, Text, VBox

from .explanation import Explanation
from .models import AttributeAttentionRecommender
from .plots import AGAINST, FOR, NEUTRAL
from .splits import LeaveOneOutSplit
from .what_if import Person, in_words

MOST_FOUND = 8  # films listed by a search


def plain(text: str) -> str:
    """Only letters and digits, without accents and capitals: "WALL·E" -> "walle"."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text).casefold()))


def bar(value: float, limit: float, *, signed: bool) -> str:
    """A number and its bar, as HTML. Signed: left (against) or right (for) of a line in the middle.

    Args:
        value: the number; its sign is printed if `signed`.
        limit: the value of a full bar; 0 if all values are 0: then no bar is drawn.
    """
    width = 100 * min(abs(value) / limit, 1.0) if limit > 0 else 0.0
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


def shared(explanation: Explanation, place: int) -> str:
    """How many of the user's likes share an attribute: "3 of your likes"."""
    if explanation.support is None or explanation.fields[place] == "film":
        return ""
    return f"{len(explanation.support[place])} of your likes"


def lines(texts: list[str]) -> str:
    """Lines of text as HTML that screen readers announce when it changes."""
    # Room for three lines, so that nothing below moves when one is added.
    room = "line-height:1.5" + (";min-height:4.5em" if len(texts) > 1 else "")
    return f"<div role='status' style='{room}'>{'<br>'.join(map(escape, texts))}</div>"


class Explorer(VBox):
    """The controls and what they show. `explore` makes it."""

    def __init__(
        self, model: AttributeAttentionRecommender, split: LeaveOneOutSplit, user_id: int
    ) -> None:
        self.model, self.split, self.labels = model, split, model.table.labels
        self.titles = [plain(label) for label in self.labels]
        self.found: list[int] = []
        self.liked: list[int] = []
        self.filling = False  # True while the program sets the controls, not the user
        style, wrap = {"description_width": "8em"}, Layout(flex_flow="row wrap")
        short, wide = Layout(width="14em"), Layout(width="32em", max_width="98%")

        def tick(width: Layout) -> Checkbox:
            return Checkbox(indent=False, layout=width)

        self.who = IntText(value=user_id, description="User's id", style=style, layout=short)
        self.mine = tick(wide)
        self.mine.description, self.mine.value = "recommend for me, who like the films below", False
        self.search = Text(description="Part of a title", style=style)
        self.choices = [tick(wide) for _ in range(MOST_FOUND)]
        self.listed = VBox()  # as many of the choices as films are found
        self.likes, self.message, self.top, self.words = HTML(), HTML(), HTML(), HTML()
        self.forget = Button(description="Forget my likes")
        self.film = BoundedIntText(
            min=1, max=10, description="Explain no.", style=style, layout=short
        )
        self.ticks = [tick(Layout(width="20em")) for _ in model.table.slots]
        self.bars = [HTML() for _ in model.table.slots]
        self.pairs = [HBox(pair, layout=wrap) for pair in zip(self.ticks, self.bars)]
        self.attributes = VBox()  # as many of the pairs as the film has attributes
        self.tick_all = Button(description="Tick all again")
        self.details = VBox([self.top, self.film, self.words, self.attributes, self.tick_all])
        people = HBox([self.who, self.mine], layout=wrap)
        liking = HBox([self.likes, self.forget], layout=wrap)
        super().__init__([people, self.search, self.listed, liking, self.message, self.details])
        self.who.observe(lambda _: self.choose_user(), "value")
        self.mine.observe(lambda _: self.show_person(), "value")
        self.search.observe(lambda _: self.show_found(), "value")
        for place, choice in enumerate(self.choices):
            choice.observe(lambda change, place=place: self.like(place, change["new"]), "value")
        self.forget.on_click(lambda _: self.forget_likes())
        self.film.observe(lambda _: self.show_film(), "value")
        self.tick_all.on_click(lambda _: self.show_film())
        for attribute in self.ticks:
            attribute.observe(lambda _: self.show_outcome(), "value")
        self.show_person()

    def say(self, text: str) -> None:
        """A line for the user: what happened, or what to do next."""
        self.message.value = lines([text])

    def choose_user(self) -> None:
        """Recommend for the user with this id."""
        if self.mine.value:
            self.mine.value = False  # which shows the person
        else:
            self.show_person()

    def show_found(self) -> None:
        """List the films whose title holds what was typed; those that begin with it come first."""
        wanted = plain(self.search.value)
        found = [i for i, title in enumerate(self.titles) if wanted and wanted in title]
        found.sort(key=lambda i: (not self.titles[i].startswith(wanted), self.labels[i]))
        self.found = found[:MOST_FOUND]
        self.filling = True
        for choice, film in zip(self.choices, self.found):
            choice.description, choice.value = self.labels[film], film in self.liked
        self.filling = False
        self.listed.children = self.choices[: len(self.found)]
        if found:
            more = f"; the first {MOST_FOUND} are listed" if len(found) > MOST_FOUND else ""
            self.say(f"Films found: {len(found)}{more}. Tick those you like.")
        elif self.search.value:
            self.say(f"No film here has “{self.search.value}” in its title.")

    def like(self, place: int, liked: bool) -> None:
        """The film at this place of the list joins the likes, or leaves them."""
        if not self.filling:
            film = self.found[place]
            self.liked = [other for other in self.liked if other != film] + [film] * liked
            self.show_likes()

    def forget_likes(self) -> None:
        """No film is liked any more."""
        self.liked = []
        self.show_found()
        self.show_likes()

    def show_likes(self) -> None:
        """Name the likes, and recommend for them; without any, for the user again."""
        names = ", ".join(self.labels[film] for film in self.liked)
        self.likes.value = lines([f"Your likes: {names}."]) if names else ""
        if self.mine.value == bool(self.liked):
            self.show_person()
        else:
            self.mine.value = bool(self.liked)  # which shows the person

    def show_person(self) -> None:
        """The ten films for the person chosen, and the first of them in depth."""
        ids, user_id = self.split.user_ids.tolist(), self.who.value
        problem = ""
        if self.mine.value and not self.liked:
            problem = "You have no likes yet: type part of a title and tick films you like."
        elif self.mine.value and len(self.liked) == len(self.labels):
            problem = "You like all the films there are."
        elif not self.mine.value and user_id not in ids:
            problem = f"Nobody has the id {user_id}; there are {len(ids)}, {ids[0]} to {ids[-1]}."
        self.details.layout.display = "none" if problem else None
        if problem:
            self.say(problem)
            return
        if self.mine.value:
            self.say("Fitting your vector to your likes ...")  # takes half a second
            self.person = Person.from_likes(self.model, self.liked)
            self.say("These films are for you.")
        else:
            row = ids.index(user_id)
            self.person = Person.from_split(self.model, self.split, row)
            n_likes = int((self.split.users == row).sum())
            self.say(f"These films are for user {user_id}, who has {n_likes} likes.")
        self.films = self.person.recommended()
        user = self.person.user
        self.top.value = films_table([self.person.model.explain(user, f) for f in self.films])
        self.filling = True
        self.film.value, self.film.max = 1, len(self.films)
        self.filling = False
        self.show_film()

    def show_film(self) -> None:
        """One film: a ticked line for each of its attributes."""
        if self.filling:
            return
        self.full = self.person.outcome(self.films[self.film.value - 1])
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
        now = self.person.outcome(self.films[self.film.value - 1], kept)
        self.words.value = lines(in_words(self.full, now, kept, self.person.n_films))
        shown = now.explanation or self.full.explanation  # if nothing is left, no bar is shown
        everybody = shown.contributions - shown.yours
        limit = max(abs(everybody).max(), abs(shown.yours).max())
        for place, keep in enumerate(kept):
            html = self.bars[place]
            if not keep:
                html.value = "left out"
                continue
            text = "weight " + bar(shown.weights[place], 1.0, signed=False)
            text += "for you " + bar(shown.yours[place], limit, signed=True)
            text += "for everybody " + bar(everybody[place], limit, signed=True)
            html.value = text + escape(shared(shown, place))


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
    return Explorer(model, split, ids[0] if user_id is None else user_id)
