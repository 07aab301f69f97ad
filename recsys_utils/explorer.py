"""The explorer of notebook 05: choose somebody, read the reasons, leave one out, see what changes.

Only native controls of ipywidgets, plain HTML and a style sheet. No drop-down lists: in JupyterLab
the keys one presses in a list (arrows, letters, digits) are taken for commands of the notebook.
Text and number fields, checkboxes and buttons keep theirs. What has nothing to do yet is not there.
Numbers are shown here and computed in `what_if`.
"""

import unicodedata
from html import escape
from pathlib import Path
from typing import TypeVar

from ipywidgets import HTML, Button, Checkbox, HBox, IntText, Text, VBox, Widget

from .explanation import Explanation
from .models import AttributeAttentionRecommender
from .splits import LeaveOneOutSplit
from .what_if import Person, in_words

MOST_FOUND = 8  # films listed by a search
MOST_FILMS = 10  # films recommended
STYLE = Path(__file__).with_suffix(".css")
AnyWidget = TypeVar("AnyWidget", bound=Widget)


def plain(text: str) -> str:
    """Only letters and digits, without accents and capitals: "WALL·E" -> "walle"."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text).casefold()))


def styled(widget: AnyWidget, *classes: str) -> AnyWidget:
    """The same widget, with names by which the style sheet finds it."""
    for name in classes:
        widget.add_class(name)
    return widget


def bar(name: str, value: float, limit: float, *, signed: bool) -> str:
    """A number and its bar, as HTML. Signed: left (against) or right (for) of a line in the middle.

    Args:
        name: what the number is; only screen readers say it, the eye has the head of the column.
        value: the number; its sign is printed if `signed`.
        limit: the value of a full bar; 0 if all values are 0: then no bar is drawn.
    """
    width = 100 * min(abs(value) / limit, 1.0) if limit > 0 else 0.0
    left, kind, number = 0.0, "weight", f"{value:.2f}"
    if signed:
        width /= 2
        left, kind = (50.0, "for") if value >= 0 else (50.0 - width, "against")
        number = f"{round(value, 2) + 0.0:+.2f}"  # + 0.0: no "-0.00"
    middle = "<i class='middle'></i>" if signed else ""
    return (
        f"<span class='cell'><span class='unseen'>{name} </span><b>{number}</b>"
        f" <span class='bar' aria-hidden='true'><i class='{kind}' "
        f"style='left:{left:.1f}%;width:{width:.1f}%'></i>{middle}</span></span>"
    )


def shared(explanation: Explanation, place: int) -> str:
    """How many of the user's likes share an attribute: "3 of your likes"."""
    if explanation.support is None or explanation.fields[place] == "film":
        return ""
    return f"{len(explanation.support[place])} of your likes"


def lines(texts: list[str]) -> str:
    """Lines of text as HTML that screen readers announce when it changes."""
    return f"<div role='status'>{'<br>'.join(map(escape, texts))}</div>"


class Explorer(VBox):
    """The controls and what they show. `explore` makes it."""

    def __init__(
        self, model: AttributeAttentionRecommender, split: LeaveOneOutSplit, user_id: int
    ) -> None:
        self.model, self.split, self.labels = model, split, model.table.labels
        self.titles = [plain(label) for label in self.labels]
        self.found: list[int] = []
        self.liked: list[int] = []
        self.place = 0  # of the film that is looked at among the ten
        self.filling = False  # True while the program sets the controls, not the user
        style = {"description_width": "8em"}

        self.who = IntText(value=user_id, description="User's id", style=style)
        self.search = Text(
            description="Part of a title", placeholder="leon, wall-e, star wars …", style=style
        )
        self.choices = [self.tick() for _ in range(MOST_FOUND)]
        self.listed = VBox()  # as many of the choices as films are found
        self.mine = self.tick("recommend for me, who like:")
        self.chips: list[Button] = []  # one for each film that is liked
        self.likes = styled(HBox(), "chips")
        self.forget = styled(Button(description="Forget my likes"), "quiet")
        self.liking = VBox()  # what belongs to the likes, once there are any
        people = styled(VBox([self.who, self.search, self.listed, self.liking]), "people")

        self.message = styled(HTML(), "message")
        self.rows = [styled(Button(), "film") for _ in range(MOST_FILMS)]
        self.top = VBox()  # as many of the rows as films are recommended
        films = styled(VBox([self.message, self.top]), "films")

        self.title = styled(HTML(), "title")
        self.words = styled(HTML(), "words")
        heads = ("weight", "for you", "for everybody", "shared by")
        cells = "".join(f"<span class='cell'>{head}</span>" for head in heads)
        self.heads = styled(HTML(f"<div class='cells' aria-hidden='true'>{cells}</div>"), "heads")
        self.ticks = [self.tick() for _ in model.table.slots]
        self.bars = [HTML() for _ in model.table.slots]
        self.pairs = [styled(HBox(pair), "pair") for pair in zip(self.ticks, self.bars)]
        self.attributes = styled(VBox(), "attributes")  # as many of the pairs as the film has
        self.tick_all = styled(Button(description="Tick all again"), "quiet")
        self.details = styled(VBox(), "details")

        sheet = HTML(f"<style>{STYLE.read_text(encoding='utf-8')}</style>")
        super().__init__([sheet, styled(HBox([people, films]), "beside"), self.details])
        self.add_class("recsys-explorer")
        self.who.observe(lambda _: self.choose_user(), "value")
        self.mine.observe(lambda _: self.show_person(), "value")
        self.search.observe(lambda _: self.show_found(), "value")
        for place, choice in enumerate(self.choices):
            choice.observe(lambda change, place=place: self.like(place, change["new"]), "value")
        self.forget.on_click(lambda _: self.forget_likes())
        for place, row in enumerate(self.rows):
            row.on_click(lambda _, place=place: self.show_film(place))
        self.tick_all.on_click(lambda _: self.show_film(self.place))
        for attribute in self.ticks:
            attribute.observe(lambda _: self.show_outcome(), "value")
        self.show_person()

    def __repr__(self) -> str:
        """What is shown where there are no widgets."""
        return "The explorer: run this cell in JupyterLab."

    @staticmethod
    def tick(description: str = "") -> Checkbox:
        """A box to tick."""
        return styled(Checkbox(description=description, indent=False), "tick")

    def say(self, text: str) -> None:
        """A line for the user: what happened, or what to do next."""
        self.message.value = lines([text])

    # --- Who, and what they like ---

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

    def unlike(self, place: int) -> None:
        """The film at this place of the likes leaves them."""
        self.liked = self.liked[:place] + self.liked[place + 1 :]
        self.show_found()
        self.show_likes()

    def forget_likes(self) -> None:
        """No film is liked any more."""
        self.liked = []
        self.show_found()
        self.show_likes()

    def show_likes(self) -> None:
        """Name the likes, and recommend for them; without any, for the user again."""
        for place in range(len(self.chips), len(self.liked)):
            chip = styled(Button(), "chip")
            chip.on_click(lambda _, place=place: self.unlike(place))
            self.chips.append(chip)
        for chip, film in zip(self.chips, self.liked):
            chip.description = f"{self.labels[film]} ×"
            chip.tooltip = f"Remove {self.labels[film]}"
        self.likes.children = self.chips[: len(self.liked)]
        self.liking.children = [self.mine, self.likes, self.forget] if self.liked else []
        if self.mine.value == bool(self.liked):
            self.show_person()
        else:
            self.mine.value = bool(self.liked)  # which shows the person

    # --- Ten films ---

    def show_person(self) -> None:
        """The ten films for the person chosen, and the first of them in depth."""
        ids, user_id = self.split.user_ids.tolist(), self.who.value
        problem = ""
        if self.mine.value and len(self.liked) == len(self.labels):
            problem = "You like all the films there are."
        elif not self.mine.value and user_id not in ids:
            problem = f"Nobody has the id {user_id}; there are {len(ids)}, {ids[0]} to {ids[-1]}."
        if problem:
            self.top.children = self.details.children = ()
            self.say(problem)
            return
        if self.mine.value:
            self.say("Fitting your vector to your likes ...")  # takes half a second
            self.person = Person.from_likes(self.model, self.liked)
            self.say("These films are for you. Click one to see why.")
        else:
            row = ids.index(user_id)
            self.person = Person.from_split(self.model, self.split, row)
            n_likes = int((self.split.users == row).sum())
            self.say(
                f"These films are for user {user_id}, who has {n_likes} likes. "
                "Click one to see why."
            )
        self.films = self.person.recommended(MOST_FILMS)
        for place, (row, film) in enumerate(zip(self.rows, self.films)):
            explanation = self.person.model.explain(self.person.user, film)
            why = explanation.sentence().removeprefix(f"{explanation.label}: ")
            head = f"{place + 1}  {explanation.label} · score {explanation.score:.3f}"
            row.description = row.tooltip = f"{head}\n{why}"
        self.top.children = self.rows[: len(self.films)]
        self.show_film(0)

    # --- One film ---

    def show_film(self, place: int) -> None:
        """One film of the ten: a ticked line for each of its attributes."""
        self.rows[self.place].remove_class("chosen")
        self.rows[place].add_class("chosen")
        self.place = place
        self.full = self.person.outcome(self.films[place])
        explanation = self.full.explanation
        self.title.value = (
            f"<b>Why {escape(explanation.label)}?</b> "
            "Untick an attribute: the others share its weight."
        )
        self.filling = True
        for tick, field, name in zip(self.ticks, explanation.fields, explanation.names):
            tick.description = "the film itself" if field == "film" else f"{field}: {name}"
            tick.value = True
        self.filling = False
        self.attributes.children = self.pairs[: len(explanation.names)]
        self.show_outcome()

    def show_outcome(self) -> None:
        """The film when only the ticked attributes count: in words, and three bars for each."""
        if self.filling:
            return
        kept = [pair.children[0].value for pair in self.attributes.children]
        now = self.person.outcome(self.films[self.place], kept)
        self.words.value = lines(in_words(self.full, now, kept, self.person.n_films))
        shown = now.explanation or self.full.explanation  # if nothing is left, no bar is shown
        everybody = shown.contributions - shown.yours
        limit = max(abs(everybody).max(), abs(shown.yours).max())
        for place, keep in enumerate(kept):
            if not keep:
                self.bars[place].value = "<div class='cells left-out'>left out</div>"
                continue
            cells = bar("weight", shown.weights[place], 1.0, signed=False)
            cells += bar("for you", shown.yours[place], limit, signed=True)
            cells += bar("for everybody", everybody[place], limit, signed=True)
            cells += f"<span class='cell'>{escape(shared(shown, place))}</span>"
            self.bars[place].value = f"<div class='cells'>{cells}</div>"
        again = () if all(kept) else (self.tick_all,)
        self.details.children = (self.title, self.words, self.heads, self.attributes, *again)


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
