// The mathematics of the page: the recommender of notebook 05, and a new user fitted to likes.
//
// The same formulas as in recsys_utils (models.py, training.py, explanation.py), in the same order,
// with the same names. Every number here is compared with Python's in tests/browser/test_pick.py.
"use strict";

const STEPS = 200; // of Adam, as in training.fold_in
const LEARNING_RATE = 0.05;
const L2 = 0.05;
const MOST_TITLES = 2; // of the films that support a reason, in a sentence

// Numbers as Python wrote them, float32 in base64; computing is faster with float64.
function numbers(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return Float64Array.from(new Float32Array(bytes.buffer));
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

function softmax(scores) {
  const highest = scores.reduce((most, score) => Math.max(most, score), -Infinity);
  const sizes = scores.map((score) => Math.exp(score - highest));
  const total = sum(sizes);
  return sizes.map((size) => size / total);
}

// What one user's vector finds in each attribute and in each film.
//   match[a]    k_a . u / sqrt(d_k), how well attribute a answers the user's question
//   taste[a]    v_a . u, how much the user likes it
//   context[f]  sum_i w_i (v_i . u) over the attributes of film f
//   logits[f]   b_f + context[f]
class Reading {
  constructor(model, u) {
    const { nAttributes, nFilms, d, embeddings } = model;
    this.match = new Float64Array(nAttributes);
    this.taste = new Float64Array(nAttributes);
    for (let a = 0; a < nAttributes; a++) {
      const key = 2 * d * a; // a row of the table: the key, then the value
      const value = key + d;
      let match = 0;
      let taste = 0;
      for (let j = 0; j < d; j++) {
        match += embeddings[key + j] * u[j];
        taste += embeddings[value + j] * u[j];
      }
      this.match[a] = match / Math.sqrt(d);
      this.taste[a] = taste;
    }
    const highest = this.match.reduce((most, match) => Math.max(most, match));
    this.size = this.match.map((match) => Math.exp(match - highest));
    this.context = new Float64Array(nFilms);
    this.total = new Float64Array(nFilms);
    model.attributes.forEach((attributes, film) => {
      for (const a of attributes) {
        this.total[film] += this.size[a];
        this.context[film] += this.size[a] * this.taste[a];
      }
      this.context[film] /= this.total[film];
    });
    this.logits = this.context.map((context, film) => context + model.bias[film]);
    // r_u: what the user's average film gets.
    this.average = sum(this.context) / nFilms;
  }

  // Weights of a film's attributes. Those that are left out get 0, and the others share the rest.
  weights(attributes, kept) {
    return softmax(attributes.map((a, i) => (kept[i] ? this.match[a] : -Infinity))).map(
      (weight, i) => (kept[i] ? weight : 0),
    );
  }
}

class Recommender {
  constructor(exported) {
    this.films = exported.films;
    this.names = exported.names;
    this.fields = exported.fields;
    this.attributes = exported.attributes;
    this.slots = exported.slots;
    this.d = exported.d_k;
    this.nFilms = this.films.length;
    this.nAttributes = this.names.length;
    this.bias = numbers(exported.bias);
    this.embeddings = numbers(exported.embeddings);
    this.meanUser = numbers(exported.mean_user);
    this.meanReading = new Reading(this, this.meanUser);
  }

  // The vector of a new user: minimise - mean over likes of log softmax(logits) + L2 |u|^2 with
  // Adam, starting from the average user.
  fit(likes) {
    const u = Float64Array.from(this.meanUser);
    const mean = new Float64Array(this.d); // of the gradients, and of their squares
    const square = new Float64Array(this.d);
    for (let step = 1; step <= STEPS; step++) {
      const slope = this.gradient(u, likes);
      for (let j = 0; j < this.d; j++) {
        mean[j] = 0.9 * mean[j] + 0.1 * slope[j];
        square[j] = 0.999 * square[j] + 0.001 * slope[j] ** 2;
        const spread = Math.sqrt(square[j] / (1 - 0.999 ** step)) + 1e-8;
        u[j] -= (LEARNING_RATE * mean[j]) / (1 - 0.9 ** step) / spread;
      }
    }
    return u;
  }

  // How the loss changes with each number of u.
  gradient(u, likes) {
    const { d, embeddings } = this;
    const reading = new Reading(this, u);
    const pull = softmax(reading.logits); // d loss / d logit of each film
    for (const film of likes) pull[film] -= 1 / likes.length;
    const byTaste = new Float64Array(this.nAttributes);
    const byMatch = new Float64Array(this.nAttributes);
    this.attributes.forEach((attributes, film) => {
      for (const a of attributes) {
        const share = (pull[film] * reading.size[a]) / reading.total[film];
        byTaste[a] += share;
        byMatch[a] += share * (reading.taste[a] - reading.context[film]);
      }
    });
    const slope = u.map((number) => 2 * L2 * number);
    for (let a = 0; a < this.nAttributes; a++) {
      const key = 2 * d * a;
      const value = key + d;
      const forMatch = byMatch[a] / Math.sqrt(d);
      const forTaste = byTaste[a];
      for (let j = 0; j < d; j++) {
        slope[j] += forMatch * embeddings[key + j] + forTaste * embeddings[value + j];
      }
    }
    return slope;
  }

  newUser(likes) {
    return new Person(this, likes, this.fit(likes));
  }
}

// Somebody who likes some films: the latest pick last.
class Person {
  constructor(model, likes, vector) {
    this.model = model;
    this.likes = likes;
    this.vector = vector;
    this.reading = new Reading(model, vector);
    const known = new Set(likes);
    this.candidates = [...model.films.keys()].filter((film) => !known.has(film));
  }

  // The best films that are not among the likes, best first.
  recommended(howMany = 10) {
    const { logits } = this.reading;
    return this.candidates.toSorted((one, other) => logits[other] - logits[one]).slice(0, howMany);
  }

  // 1 = first, if this film had this score and all others keep theirs.
  rank(film, score) {
    const better = (other) => other !== film && this.reading.logits[other] > score;
    return 1 + this.candidates.filter(better).length;
  }

  // Why this film gets its score, when only the attributes that are kept count.
  explain(film, kept = this.model.attributes[film].map(() => true)) {
    const { model, reading } = this;
    const attributes = model.attributes[film];
    const contributions = (read) => {
      const weights = read.weights(attributes, kept);
      return weights.map((weight, i) => weight * (read.taste[attributes[i]] - read.average));
    };
    const weights = reading.weights(attributes, kept);
    const mine = contributions(reading);
    const base = model.bias[film] + (kept.includes(true) ? reading.average : 0);
    const explanation = {
      film,
      slots: model.slots[film],
      label: model.films[film],
      names: attributes.map((a) => model.names[a]),
      fields: attributes.map((a) => model.fields[a]),
      weights,
      contributions: mine,
      everybody: contributions(model.meanReading),
      without: [],
      support: attributes.map((a) => this.sharing(a, film)),
      base,
      score: base + sum(mine),
    };
    explanation.yours = mine.map((all, i) => all - explanation.everybody[i]);
    explanation.without = this.leaveOneOut(film, kept, explanation.score);
    explanation.sentence = sentence(explanation);
    return explanation;
  }

  // For each attribute: what the score loses without it, when the others share its weight.
  leaveOneOut(film, kept, score) {
    const attributes = this.model.attributes[film];
    return attributes.map((_, left) => {
      if (!kept[left]) return 0;
      const weights = this.reading.weights(attributes, kept.with(left, false));
      const context = sum(weights.map((weight, i) => weight * this.reading.taste[attributes[i]]));
      return score - (this.model.bias[film] + context);
    });
  }

  // The titles of the likes that share an attribute, the latest pick first.
  sharing(attribute, film) {
    const { attributes, films } = this.model;
    const shares = (like) => like !== film && attributes[like].includes(attribute);
    return this.likes.filter(shares).reverse().map((like) => films[like]);
  }
}

// Attribute i in words: "its director Michael Mann".
function says(explanation, i) {
  if (explanation.fields[i] === "film") return "the film itself";
  return `its ${explanation.fields[i]} ${explanation.names[i]}`;
}

// The support of reason i in brackets: " (you liked Heat (1995) and 3 more)".
function supported(explanation, i) {
  if (explanation.fields[i] === "film") return " (which names no reason)";
  const titles = explanation.support[i];
  if (titles.length === 0) return ` (though no film you liked has this ${explanation.fields[i]})`;
  const more = titles.length - MOST_TITLES;
  if (more > 0) return ` (you liked ${titles.slice(0, MOST_TITLES).join(", ")} and ${more} more)`;
  return ` (you liked ${titles.join(" and ")})`;
}

// What speaks for the film for you, with its support, and what speaks against it. A reason is an
// attribute with at least a fifth of the sum of all |yours|; "mainly": more than half of it.
function sentence(explanation) {
  const total = sum(explanation.yours.map(Math.abs));
  const share = explanation.yours.map((part) => (total > 0 ? part / total : 0));
  const order = [...share.keys()].sort((i, j) => Math.abs(share[j]) - Math.abs(share[i]));
  const reasons = order.filter((i) => share[i] >= 0.2);
  const against = order.filter((i) => share[i] <= -0.2);
  if (reasons.length === 0 && against.length === 0) {
    return `${explanation.label}: no clear reason; many attributes count a little.`;
  }
  let text = `${explanation.label}:`;
  if (reasons.length > 0) {
    const mainly = share[reasons[0]] > 0.5 ? "mainly " : "";
    const said = reasons.slice(0, 2).map((i) => says(explanation, i) + supported(explanation, i));
    text += ` ${mainly}because of ${said.join(" and ")}`;
  }
  if (against.length > 0) {
    text += (reasons.length > 0 ? ", despite " : " despite ") + says(explanation, against[0]);
  }
  return `${text}.`;
}
