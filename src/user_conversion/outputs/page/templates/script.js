"use strict";
// Tooltips of the charts: the text of `data-tip`, by pointer, touch and arrow keys.
const tip = document.getElementById("tip");
let chosen = null;

function show(mark) {
  chosen?.classList.remove("chosen");
  chosen = mark;
  tip.hidden = !mark;
  if (!mark) return;
  mark.classList.add("chosen");
  tip.replaceChildren(...mark.dataset.tip.split(" · ").map((line) => {
    const part = document.createElement("div");
    part.textContent = line;
    return part;
  }));
  const at = mark.getBoundingClientRect();
  const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
  const left = Math.min(Math.max(8, at.left + at.width / 2 - tip.offsetWidth / 2), room);
  const above = at.top - tip.offsetHeight - 6;
  tip.style.left = `${left}px`;
  tip.style.top = `${above > 4 ? above : at.bottom + 6}px`;
}

for (const chart of document.querySelectorAll(".chart")) {
  const marks = [...chart.querySelectorAll("[data-tip]")];
  chart.addEventListener("pointermove", (event) => show(event.target.closest("[data-tip]")));
  chart.addEventListener("pointerdown", (event) => show(event.target.closest("[data-tip]")));
  chart.addEventListener("pointerleave", () => show(null));
  chart.addEventListener("blur", () => show(null));
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") show(null);
    if (!step || !marks.length) return;
    event.preventDefault();
    const at = marks.indexOf(chosen);
    show(marks[at < 0 ? (step > 0 ? 0 : marks.length - 1) : (at + step + marks.length) % marks.length]);
  });
}
addEventListener("scroll", () => show(null), { passive: true, capture: true });
