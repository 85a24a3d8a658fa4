// Draws every plot from the data next to it, in the colours of the reader's system, and again on paper: light, and as wide as the page.
// Saves figures and tables as files, hides series, zooms.
"use strict";
(() => {
  const darkOf = JSON.parse(document.getElementById("dark-of").textContent);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const paper = matchMedia("print");
  const root = document.documentElement;
  const charts = [...document.querySelectorAll(".chart")].map((place) => ({
    place,
    text: place.parentElement.querySelector("script").textContent,
    hidden: new Set(),
    zoom: false,
  }));
  const inDark = (_, value) => (typeof value === "string" && Object.hasOwn(darkOf, value) ? darkOf[value] : value);

  const FOLDED = "details:not([open])";
  const draw = (only) => {
    const reviver = scheme.matches && !root.classList.contains("printing") ? inDark : undefined;
    for (const chart of only ?? charts) {
      if (chart.place.closest(FOLDED)) continue; // drawn when it is opened
      const { data, layout } = JSON.parse(chart.text, reviver);
      for (const trace of data) trace.visible = !chart.hidden.has(trace.meta);
      if (chart.zoom) {
        layout.dragmode = "zoom";
        layout.xaxis.fixedrange = layout.yaxis.fixedrange = false;
      }
      const width = chart.place.clientWidth;
      Plotly.react(chart.place, data, { ...layout, width }, { displayModeBar: false, doubleClick: "reset" });
    }
  };
  const before = new Map(); // what was open before printing opened all that paper has
  const printing = (on) => {
    if (root.classList.toggle("printing", on) !== on || root.dataset.drawn !== String(on)) {
      root.dataset.drawn = String(on);
      for (const folded of document.querySelectorAll("details.paper")) {
        if (on) before.set(folded, folded.open);
        folded.open = on || (before.get(folded) ?? folded.open);
      }
      draw();
    }
  };

  const save = (content, type, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  // A figure as one picture: every word where it is on the page, and every drawing.
  const pictureOf = (figure) => {
    const box = figure.getBoundingClientRect();
    const colours = getComputedStyle(root);
    const parts = [];
    const add = (element, place, text = "") => {
      for (const [name, value] of Object.entries(place)) element.setAttribute(name, value);
      if (text) element.textContent = text;
      parts.push(element);
    };
    const make = (name) => document.createElementNS("http://www.w3.org/2000/svg", name);
    const walk = (node) => {
      if (node.nodeType === Node.TEXT_NODE) {
        const style = getComputedStyle(node.parentElement);
        for (const { 0: word, index } of node.textContent.matchAll(/\S+/g)) {
          const range = document.createRange();
          range.setStart(node, index);
          range.setEnd(node, index + word.length);
          const at = range.getBoundingClientRect();
          if (!at.width) continue;
          const y = at.top - box.top + 0.78 * at.height;
          const font = { "font-family": style.fontFamily, "font-size": style.fontSize, "font-weight": style.fontWeight };
          add(make("text"), { x: at.left - box.left, y, fill: style.color, ...font }, word);
        }
      } else if (node instanceof SVGSVGElement) {
        const at = node.getBoundingClientRect();
        const copy = node.cloneNode(true);
        const texts = [copy, ...copy.querySelectorAll("text")].filter((e) => e.tagName === "text" && !e.style.fontSize);
        for (const text of texts) text.setAttribute("style", `font-family: ${FONT}; font-size: 12px; fill: var(--soft)`);
        const size = { width: at.width, height: at.height, overflow: "visible" };
        if (at.width) add(copy, { x: at.left - box.left, y: at.top - box.top, ...size });
      } else if (!(node instanceof Element) || !node.matches(`script, .words, .tools, ${FOLDED} > .said`)) {
        node.childNodes.forEach(walk);
      }
    };
    const FONT = getComputedStyle(document.body).fontFamily.replaceAll('"', "'");
    figure.childNodes.forEach(walk);
    const svg = make("svg");
    const [width, height] = [Math.ceil(box.width), Math.ceil(figure.querySelector("figcaption").getBoundingClientRect().bottom - box.top + 4)];
    for (const [name, value] of Object.entries({ xmlns: svg.namespaceURI, width, height, viewBox: `0 0 ${width} ${height}` }))
      svg.setAttribute(name, value);
    const ground = make("rect");
    for (const [name, value] of Object.entries({ width, height, fill: "var(--paper)" })) ground.setAttribute(name, value);
    svg.append(ground, ...parts);
    const edge = colours.getPropertyValue("--blue");
    const text = new XMLSerializer().serializeToString(svg);
    return { width, height, text: text.replace(/var\(--([\w-]+)\)/g, (_, n) => (n === "edge" ? edge : colours.getPropertyValue(`--${n}`).trim())) };
  };

  const savePicture = (figure, name, kind) => {
    const { width, height, text } = pictureOf(figure);
    if (kind === "svg") return save(text, "image/svg+xml", `${name}.svg`);
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [2 * width, 2 * height];
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => save(blob, "image/png", `${name}.png`), "image/png");
    };
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  };

  for (const tools of document.querySelectorAll(".tools")) {
    const figure = tools.closest("figure");
    const { name } = tools.dataset;
    for (const button of tools.querySelectorAll(".save")) {
      const { kind } = button.dataset;
      button.setAttribute("aria-label", `Save ${name} as ${kind.toUpperCase()}`);
      button.onclick = () =>
        kind === "csv" ? save(JSON.parse(tools.querySelector("script").textContent), "text/csv", `${name}.csv`) : savePicture(figure, name, kind);
    }
    const own = charts.filter(({ place }) => figure?.contains(place));
    if (own.length) {
      const zoom = document.createElement("button");
      zoom.type = "button";
      zoom.textContent = "Zoom";
      zoom.setAttribute("aria-pressed", "false");
      zoom.title = "Drag over a part of a chart to enlarge it; press again to see all of it";
      zoom.onclick = () => {
        const on = zoom.getAttribute("aria-pressed") !== "true";
        zoom.setAttribute("aria-pressed", String(on));
        for (const chart of own) chart.zoom = on;
        draw(own);
      };
      tools.append(zoom);
    }
  }

  for (const button of document.querySelectorAll(".key button")) {
    const figure = button.closest("figure");
    const own = charts.filter(({ place }) => figure.contains(place));
    button.onclick = () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      const { mark } = button.dataset;
      button.setAttribute("aria-pressed", String(on));
      for (const chart of own) on ? chart.hidden.delete(mark) : chart.hidden.add(mark);
      for (const drawn of figure.querySelectorAll(".bars [data-mark]"))
        if (drawn.dataset.mark === mark) drawn.style.display = on ? "" : "none";
      draw(own);
    };
  }

  for (const section of document.querySelectorAll("details.section"))
    section.addEventListener("toggle", () => draw(charts.filter(({ place }) => section.contains(place))));

  let waiting = 0;
  addEventListener("resize", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => draw());
  });
  scheme.addEventListener("change", () => draw());
  paper.addEventListener("change", (event) => printing(event.matches));
  addEventListener("beforeprint", () => printing(true));
  addEventListener("afterprint", () => printing(false));
  printing(paper.matches);
})();
