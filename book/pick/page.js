// The page: what is picked, what is shown. All mathematics is in attention.js.
//
// A first example, computed by Python, stands in example.js; the model (2 MB) is loaded after it
// has been drawn.
"use strict";

const MOST_FOUND = 8; // films listed by a search
const MEASURES = {
  contributions: {
    name: "contribution",
    meaning: "Contribution: what an attribute adds to the score, measured from your average film.",
  },
  yours: {
    name: "for you",
    meaning: "For you: the contribution less what the average user gets for the same film.",
  },
  weights: {
    name: "weight",
    meaning: "Weight: where the model looked. It says nothing about for or against.",
  },
  without: {
    name: "leave-one-out",
    meaning: "Leave-one-out: what the score loses without the attribute; others share its weight.",
  },
};

const state = {
  model: null, // a Recommender, once it is loaded
  likes: [], // film numbers, the latest pick last
  person: null, // who likes them; null: the example is shown
  explanations: EXAMPLE.explanations, // of the ten films
  full: EXAMPLE.explanations[0], // the film that is looked at in detail, with all its attributes
  kept: [], // which of its attributes count
  measure: "contributions",
};

const $ = (id) => document.getElementById(id);

// An HTML element: its kind, its attributes, what is in it.
function make(kind, attributes = {}, ...content) {
  const element = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...content);
  return element;
}

// A number with a minus sign, not a hyphen, and never "−0.00".
function number(value, digits = 2) {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

function signed(value, digits = 2) {
  const text = number(value, digits);
  return text.startsWith("−") ? text : `+${text}`;
}

function shown(value, measure) {
  return measure === "weights" ? number(value) : signed(value);
}

// Only letters and digits, without accents and capitals: "WALL·E" -> "walle".
function plain(text) {
  return text.normalize("NFKD").toLowerCase().replace(/[^\p{Letter}\p{Number}]/gu, "");
}

// --- 1. Films you like ---------------------------------------------------------------------------

function findFilms() {
  const wanted = plain($("search").value);
  const titles = state.model.titles;
  const found = [...titles.keys()].filter((film) => wanted && titles[film].includes(wanted));
  const late = (film) => (titles[film].startsWith(wanted) ? 0 : 1);
  const label = (film) => state.model.films[film];
  found.sort((one, other) => late(one) - late(other) || label(one).localeCompare(label(other)));
  $("results").replaceChildren(...found.slice(0, MOST_FOUND).map(result));
  $("results").hidden = found.length === 0;
  if (!wanted) return say("");
  if (found.length === 0) return say(`No film here has “${$("search").value}” in its title.`);
  const more = found.length > MOST_FOUND ? `; the first ${MOST_FOUND} are listed` : "";
  say(`Films found: ${found.length}${more}.`);
}

function result(film) {
  const liked = state.likes.includes(film);
  const pick = () => {
    closeResults();
    $("search").focus();
    setLikes(liked ? state.likes.filter((like) => like !== film) : [...state.likes, film]);
  };
  const attributes = { type: "button", "aria-pressed": String(liked), onclick: pick };
  return make("li", {}, make("button", attributes, state.model.films[film]));
}

function closeResults() {
  $("search").value = "";
  $("results").hidden = true;
  $("results").replaceChildren();
}

// Arrow keys walk through the search field and the films found, Escape closes them.
function walk(event) {
  if (event.key === "Escape") {
    closeResults();
    $("search").focus();
    return;
  }
  if (event.key === "Enter" && event.target === $("search")) {
    document.querySelector("#results button")?.click();
    return;
  }
  const stops = [$("search"), ...document.querySelectorAll("#results button")];
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const next = stops[stops.indexOf(document.activeElement) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

function setLikes(likes) {
  state.likes = likes;
  showLikes(likes.map((film) => state.model.films[film]));
  $("recommended").hidden = $("one").hidden = likes.length === 0;
  if (likes.length === 0) return say("Pick at least one film.");
  const start = performance.now();
  state.person = state.model.newUser(likes);
  state.explanations = state.person.recommended().map((film) => state.person.explain(film));
  showFilms();
  showOne(state.explanations[0]);
  const time = Math.round(performance.now() - start);
  say(`Your vector is fitted to ${likes.length} ${likes.length === 1 ? "film" : "films"}: ${time} ms.`);
}

function showLikes(labels) {
  const chips = labels.map((label, i) => {
    const drop = () => {
      setLikes(state.likes.filter((_, place) => place !== i));
      (document.querySelector("#likes button") ?? $("search")).focus();
    };
    const attributes = { type: "button", "aria-label": `Remove ${label}`, onclick: drop };
    return make("li", {}, label, " ", make("button", { ...attributes, disabled: !state.model }, "×"));
  });
  $("likes").replaceChildren(...chips);
  $("forget").hidden = labels.length === 0;
}

function say(text) {
  $("found").textContent = text;
}

// --- 2. Ten films --------------------------------------------------------------------------------

function showFilms() {
  const { measure, explanations } = state;
  const used = EXAMPLE.slot_names.map((_, slot) => explanations.some((e) => e.slots.includes(slot)));
  const slots = [...used.keys()].filter((slot) => used[slot]);
  const heads = slots.map((slot) => make("th", { scope: "col", role: "columnheader" }, heading(slot)));
  const first = ["film", "score"].map((name) => make("th", { scope: "col", role: "columnheader" }, name));
  const largest = Math.max(...explanations.flatMap((e) => e[measure].map(Math.abs)));
  $("films").replaceChildren(
    make("caption", {}, `Ten films, and the ${MEASURES[measure].name} of each attribute`),
    make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...first, ...heads)),
    ...explanations.map((explanation) => filmRows(explanation, slots, largest)),
  );
  $("films").role = "table"; // on a phone each film is a card; it stays a table for those who listen
  $("meaning").textContent = MEASURES[measure].meaning;
  $("scale").replaceChildren(...scaleOf(measure, largest));
  showUnnamed();
}

function heading(slot) {
  const name = EXAMPLE.slot_names[slot];
  return name === "film" ? "the film itself" : name;
}

function filmRows(explanation, slots, largest) {
  const look = () => {
    showOne(explanation);
    $("one").scrollIntoView({ behavior: "smooth", block: "nearest" });
  };
  const isShown = explanation.film === state.full.film;
  const name = make("button", { type: "button", "aria-pressed": String(isShown), onclick: look }, explanation.label);
  const cells = slots.map((slot) => cell(explanation, explanation.slots.indexOf(slot), largest));
  const words = explanation.sentence.slice(explanation.label.length);
  const span = { colspan: slots.length + 2, class: "words", role: "cell" };
  return make(
    "tbody",
    { role: "rowgroup", "data-film": explanation.film },
    make(
      "tr",
      { role: "row" },
      make("th", { scope: "row", role: "rowheader" }, name),
      make("td", { role: "cell", class: "score" }, number(explanation.score)),
      ...cells,
    ),
    make("tr", { role: "row" }, make("td", span, make("b", {}, explanation.label), words)),
  );
}

function cell(explanation, i, largest) {
  if (i === -1) return make("td", { role: "cell", class: "empty" });
  const value = explanation[state.measure][i];
  const kind = state.measure === "weights" ? "weight" : value < 0 ? "against" : "for";
  const name = explanation.fields[i] === "film" ? "itself" : explanation.names[i];
  const style = `--share: ${((100 * Math.abs(value)) / largest).toFixed(1)}%`;
  const number = make("span", {}, shown(value, state.measure));
  return make("td", { role: "cell", class: kind, style }, `${name} `, number);
}

function scaleOf(measure, largest) {
  const end = largest.toFixed(2);
  const bar = (kind) => make("span", { class: `bar ${kind}`, "aria-hidden": "true" });
  if (measure === "weights") {
    const equal = state.explanations.map((e) => (1 / e.weights.length).toFixed(2));
    const [low, high] = [equal.toSorted()[0], equal.toSorted().at(-1)];
    const range = low === high ? low : `${low} to ${high}`;
    return ["0 ", bar("weight"), ` ${end}, the largest shown. Equal weights would be ${range}.`];
  }
  return [`−${end} against `, bar("both"), ` for +${end}, the largest shown.`];
}

// How often the largest part of "for you" is the film itself, which names no reason.
function showUnnamed() {
  const unnamed = state.explanations.filter((explanation) => {
    const sizes = explanation.yours.map(Math.abs);
    return explanation.fields[sizes.indexOf(Math.max(...sizes))] === "film";
  });
  $("unnamed").textContent =
    unnamed.length === 0
      ? "In none of these films is “the film itself” the largest part for you: a named attribute is."
      : `In ${unnamed.length} of these ${state.explanations.length} films the largest part for you ` +
        "is “the film itself”: people with your taste like it, but no attribute here says why.";
}

// --- One film ------------------------------------------------------------------------------------

function showOne(explanation) {
  state.full = explanation;
  state.kept = explanation.names.map(() => true);
  for (const group of document.querySelectorAll("#films tbody")) {
    const isShown = group.dataset.film === String(explanation.film);
    group.querySelector("button").setAttribute("aria-pressed", String(isShown));
  }
  $("one-title").textContent = `Why ${explanation.label}?`;
  const heads = ["attribute", "weight", "contribution", "for everybody", "for you", "leave-one-out", "your likes that share it"];
  $("attributes").replaceChildren(
    make("thead", {}, make("tr", {}, ...heads.map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...explanation.names.map((_, i) => attributeRow(explanation, i))),
  );
  showOutcome();
}

function attributeRow(explanation, i) {
  const change = (event) => {
    state.kept[i] = event.target.checked;
    showOutcome();
  };
  const box = make("input", { type: "checkbox", checked: true, disabled: !state.model, onchange: change });
  const isFilm = explanation.fields[i] === "film";
  const name = isFilm ? "the film itself" : `${explanation.fields[i]} ${explanation.names[i]}`;
  const titles = isFilm ? "names no reason" : explanation.support[i].join(", ") || "none";
  const numbers = Array.from({ length: 5 }, () => make("td", { class: "number" }));
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, make("label", {}, box, ` ${name}`)),
    ...numbers,
    make("td", { class: "titles" }, titles),
  );
}

// The film when only the ticked attributes count: in words, and the numbers of each.
function showOutcome() {
  const { full, kept, person } = state;
  const isWhole = !kept.includes(false);
  const now = isWhole ? full : person.explain(full.film, kept);
  const isEmpty = !kept.includes(true);
  const rank = (score) => (person ? person.rank(full.film, score) : 1 + state.explanations.indexOf(full));
  const nFilms = person ? person.candidates.length : EXAMPLE.n_films;
  $("sentence").textContent = isEmpty
    ? "Nothing is left to look at: only the base counts."
    : now.sentence;
  const everybody = now.everybody.reduce((total, part) => total + part, 0);
  const yours = now.yours.reduce((total, part) => total + part, 0);
  $("equation").textContent =
    `Score ${number(now.score, 3)} = base ${number(now.base, 3)} + for everybody ` +
    `${signed(everybody, 3)} + for you ${signed(yours, 3)}. Rank ${rank(now.score)} of ${nFilms}.`;
  $("change").textContent = isWhole
    ? ""
    : `${leftOut(full, kept)}: score from ${number(full.score, 3)} to ` +
      `${number(now.score, 3)} (${signed(now.score - full.score, 3)}), rank from ` +
      `${rank(full.score)} to ${rank(now.score)}.`;
  $("all").hidden = isWhole;
  const order = ["weights", "contributions", "everybody", "yours", "without"];
  [...$("attributes").tBodies[0].rows].forEach((row, i) => {
    row.classList.toggle("left-out", !kept[i]);
    row.querySelectorAll(".number").forEach((place, column) => {
      place.textContent = kept[i] ? shown(now[order[column]][i], order[column]) : "left out";
    });
  });
}

// What does not count, or what does, whichever can be read at a glance: as `left_out` in what_if.py.
function leftOut(explanation, kept) {
  const said = (keeps) => explanation.names.flatMap((_, i) => (kept[i] === keeps ? [says(explanation, i)] : []));
  const [missing, left] = [said(false), said(true)];
  if (left.length === 0) return "Without any attribute";
  if (missing.length <= 2) return `Without ${missing.join(" and ")}`;
  if (left.length <= 2) return `With only ${left.join(" and ")}`;
  return `Without ${missing.length} of its ${kept.length} attributes`;
}

function tickAll() {
  for (const box of document.querySelectorAll("#attributes input")) box.checked = true;
  state.kept.fill(true);
  showOutcome();
  document.querySelector("#attributes input").focus();
}

// --- Start ---------------------------------------------------------------------------------------

function begin() {
  // The book's own choice of light or dark, if there is one.
  const mode = localStorage.getItem("mode");
  if (mode === "light" || mode === "dark") document.documentElement.style.colorScheme = mode;
  showLikes(EXAMPLE.like_names);
  showFilms();
  showOne(state.full);
  say("An example. The model is loading …");
  $("search").disabled = true;
  const script = make("script", { src: "model.js" });
  script.addEventListener("load", ready);
  script.addEventListener("error", () => say("The model did not load: reload the page."));
  document.head.append(script);
}

function ready() {
  state.model = new Recommender(window.MODEL);
  state.model.titles = state.model.films.map(plain);
  $("search").disabled = false;
  setLikes(EXAMPLE.likes);
  say("An example: pick films you like yourself, or remove these.");
}

document.querySelectorAll("[name=measure]").forEach((radio) =>
  radio.addEventListener("change", () => {
    state.measure = radio.value;
    showFilms();
  }),
);
$("search").addEventListener("input", findFilms);
document.querySelector(".search").addEventListener("keydown", walk);
$("forget").addEventListener("click", () => {
  setLikes([]);
  $("search").focus();
});
$("all").addEventListener("click", tickAll);
begin();
