// Draws every chart from the data beside it, in the colours of the reader's system, and again on paper: light, and as wide as the page.
"use strict";
(() => {
  const darkOf = JSON.parse(document.getElementById("dark-of").textContent);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const paper = matchMedia("print");
  const root = document.documentElement;
  const charts = [...document.querySelectorAll(".chart")].map((place) => ({
    place,
    text: place.parentElement.querySelector("script").textContent,
  }));
  const inDark = (_, value) => (typeof value === "string" && Object.hasOwn(darkOf, value) ? darkOf[value] : value);

  const draw = () => {
    const reviver = scheme.matches && !root.classList.contains("printing") ? inDark : undefined;
    for (const { place, text } of charts) {
      const { data, layout } = JSON.parse(text, reviver);
      Plotly.react(place, data, { ...layout, width: place.clientWidth }, { displayModeBar: false });
    }
  };
  const before = new Map(); // which words were open before printing opened them all
  const printing = (on) => {
    if (root.classList.toggle("printing", on) !== on || root.dataset.drawn !== String(on)) {
      root.dataset.drawn = String(on);
      for (const words of document.querySelectorAll("details.words")) {
        if (on) before.set(words, words.open);
        words.open = on || (before.get(words) ?? words.open);
      }
      draw();
    }
  };

  for (const { place } of charts) {
    const button = document.createElement("button");
    button.className = "save";
    button.type = "button";
    button.textContent = "save as SVG";
    button.setAttribute("aria-label", `Save chart as SVG: ${place.getAttribute("aria-label")}`);
    button.onclick = () =>
      Plotly.downloadImage(place, { format: "svg", width: place.clientWidth, height: place.clientHeight, filename: place.id });
    place.parentElement.append(button);
  }

  let waiting = 0;
  addEventListener("resize", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(draw);
  });
  scheme.addEventListener("change", draw);
  paper.addEventListener("change", (event) => printing(event.matches));
  addEventListener("beforeprint", () => printing(true));
  addEventListener("afterprint", () => printing(false));
  printing(paper.matches);
})();
