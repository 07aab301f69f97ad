// Small repairs of what the theme and its extensions leave open for keyboards and screen readers.

// What can be scrolled sideways can be reached with the keyboard, and says what it is.
function nameScrolling() {
  const boxes = ".text_html, .pst-scrollable-table-container, div.math, pre, .genindextable";
  for (const box of document.querySelectorAll(`.bd-article :is(${boxes})`)) {
    const scrolls = box.scrollWidth > box.clientWidth + 1;
    if (scrolls) box.tabIndex = 0;
    if (scrolls && box.matches(".text_html, .pst-scrollable-table-container, .math")) {
      box.classList.add("scrolls");
      box.role = "region";
      box.ariaLabel = box.matches(".math") ? "formula, can be scrolled" : "table, can be scrolled";
    }
  }
}

// Each arrow that unfolds pages in the contents says which.
for (const arrow of document.querySelectorAll(".bd-sidenav summary")) {
  arrow.ariaLabel = `Pages below ${arrow.closest("li").querySelector("a").textContent.trim()}`;
}

// A function's list of notebooks: no link within the line that unfolds it.
for (const line of document.querySelectorAll(".bd-article details > summary")) {
  if (line.textContent.startsWith("Expand for references")) line.textContent = "Used in";
}

// A folded cell is called by the words that are seen on it ("Show code cell source").
for (const line of document.querySelectorAll("details.hide > summary[aria-label]")) {
  line.removeAttribute("aria-label");
}

window.addEventListener("resize", nameScrolling);
window.addEventListener("load", () => {
  nameScrolling();
  window.MathJax?.startup?.promise.then(nameScrolling);
});
