// What can be scrolled sideways can be reached with the keyboard, and says what it is.
function nameScrolling() {
  for (const box of document.querySelectorAll(
    ".bd-article :is(.text_html, .pst-scrollable-table-container, div.math, pre)",
  )) {
    const scrolls = box.scrollWidth > box.clientWidth + 1;
    if (scrolls && !box.hasAttribute("tabindex")) box.tabIndex = 0;
    if (scrolls && !box.role && box.matches(":not(pre)")) {
      box.role = "region";
      box.ariaLabel = box.matches(".math") ? "formula, can be scrolled" : "table, can be scrolled";
    }
  }
}
window.addEventListener("load", nameScrolling);
window.addEventListener("resize", nameScrolling);
