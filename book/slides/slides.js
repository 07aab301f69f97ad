// Divides what is too long for a slide, then starts reveal.js.
"use strict";

const WIDTH = 1280;
const HEIGHT = 720;
const ROOM = { width: 1216, height: 640 }; // less the margins
const TOGETHER = 0.8; // of its size: what fits then, stays on one slide
const SMALLEST = 0.6; // of its size: what does not fit even so, scrolls

// Everything with its final size: diagrams, formulas, figures.
async function drawn() {
  document.querySelector(".reveal").classList.add("measured");
  for (const diagram of document.querySelectorAll(".jp-Mermaid > pre.mermaid")) diagram.parentNode.replaceWith(diagram);
  mermaid.initialize({ startOnLoad: false });
  await mermaid.run({ querySelector: "pre.mermaid" });
  await MathJax.startup.promise;
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
  await document.fonts.ready;
}

// A table that is too long becomes several, each with the heads of the columns.
function divideTable(table) {
  if (table.getBoundingClientRect().height <= ROOM.height) return;
  const outside = table.closest(".jp-OutputArea-child") ?? table;
  const copyOf = () => outside.cloneNode(true);
  const rows = [...table.tBodies[0].rows];
  const headHeight = table.tHead?.getBoundingClientRect().height ?? 0;
  const copies = [];
  let height = Infinity;
  for (const row of rows) {
    height += row.getBoundingClientRect().height;
    if (height > ROOM.height - 90) {
      const copy = copyOf();
      copies.push(copy);
      (copy.matches("table") ? copy : copy.querySelector("table")).tBodies[0].replaceChildren();
      height = headHeight + row.getBoundingClientRect().height;
    }
    const last = copies.at(-1);
    (last.matches("table") ? last : last.querySelector("table")).tBodies[0].append(row.cloneNode(true));
  }
  outside.replaceWith(...copies);
}

// Printed text that is too long becomes several texts, divided between lines.
function divideText(text) {
  if (text.getBoundingClientRect().height <= ROOM.height) return;
  const outside = text.closest(".jp-OutputArea-child");
  let last = null;
  for (const line of text.textContent.trimEnd().split("\n")) {
    const before = last?.textContent;
    if (last) last.textContent += `\n${line}`;
    if (!last || last.getBoundingClientRect().height > ROOM.height - 60) {
      if (last) last.textContent = before;
      const copy = outside.cloneNode(true);
      outside.before(copy);
      last = copy.querySelector("pre");
      last.textContent = line;
    }
  }
  outside.remove();
}

// An element's parts that can stand on different slides: each in a copy of what is around it.
function parts(element) {
  if (element.matches("aside")) return [element];
  const area = element.querySelector(".jp-RenderedMarkdown");
  const blocks = area ? [...area.children] : [...element.querySelectorAll(".jp-InputArea, .jp-OutputArea-child")];
  if (blocks.length < 2) return [element];
  return blocks.map((block) => {
    const copy = block.cloneNode(true);
    let around = block;
    let whole = copy;
    while (around !== element) {
      around = around.parentNode;
      const shell = around.cloneNode(false);
      shell.append(whole);
      whole = shell;
    }
    return whole;
  });
}

function isHeading(part) {
  const area = part.querySelector(".jp-RenderedMarkdown");
  return area?.children.length === 1 && area.firstElementChild.matches("h1, h2, h3");
}

// The parts of a slide, one slide after the other, as many on each as there is room for.
function divide(section) {
  const all = [...section.children].flatMap(parts);
  section.replaceChildren(...all);
  const heights = all.map((part) => (part.matches("aside") ? 0 : fitted(part)));
  if (fitTogether(all)) return;
  let page = [];
  let height = 0;
  const pages = [page];
  all.forEach((part, i) => {
    if (height + heights[i] > ROOM.height && page.length > 0 && !page.every(isHeading)) {
      const heading = isHeading(page.at(-1)) ? [page.pop()] : []; // never the last on a slide
      page = heading;
      height = heading.length ? heights[i - 1] : 0;
      pages.push(page);
    }
    page.push(part);
    height += heights[i];
  });
  const others = pages.slice(1).map((content) => {
    const next = section.cloneNode(false);
    next.append(...content);
    return next;
  });
  section.after(...others);
}

// Makes all parts a little smaller, if that is enough for one slide. Else they are as before.
function fitTogether(all) {
  const seen = all.filter((part) => !part.matches("aside"));
  const before = seen.map((part) => part.style.zoom || 1);
  for (let share = 1; share >= TOGETHER; share -= 0.04) {
    seen.forEach((part, i) => { part.style.zoom = share * before[i]; });
    const heights = seen.map((part) => part.getBoundingClientRect().height);
    if (heights.reduce((sum, height) => sum + height, 0) <= ROOM.height) return true;
  }
  seen.forEach((part, i) => { part.style.zoom = before[i]; });
  return false;
}

// The height of a part, made smaller if it alone is too large for a slide.
function fitted(part) {
  const room = ROOM.height - (part.previousElementSibling && isHeading(part.previousElementSibling) ? 70 : 0);
  const box = part.getBoundingClientRect();
  const width = Math.max(part.scrollWidth, ...[...part.querySelectorAll("table, pre, svg, img")].map((e) => e.scrollWidth || e.getBoundingClientRect().width));
  const share = Math.min(1, room / box.height, ROOM.width / width);
  if (share === 1) return box.height;
  part.style.zoom = Math.max(share, SMALLEST);
  if (share < SMALLEST) {
    part.style.maxHeight = `${room / SMALLEST}px`;
    part.style.overflow = "auto";
    part.tabIndex = 0;
  }
  return Math.min(part.getBoundingClientRect().height, room);
}

async function start() {
  await drawn();
  const leaves = [...document.querySelectorAll(".slides section")].filter((section) => !section.querySelector("section"));
  document.querySelectorAll(".slides table").forEach(divideTable);
  document.querySelectorAll(".slides .jp-OutputArea-child pre").forEach(divideText);
  leaves.forEach(divide);
  document.querySelector(".reveal").classList.remove("measured");
  await Reveal.initialize({
    width: WIDTH,
    height: HEIGHT,
    margin: 0.04,
    center: false,
    hash: true,
    slideNumber: true,
    transition: "none",
    plugins: [RevealNotes],
  });
}

start();
