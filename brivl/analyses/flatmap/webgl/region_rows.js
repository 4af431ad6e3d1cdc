// One row for each region: name, bars from 0, difference with its interval, and the numbers in words. The axes stay on
// top while the rows scroll.

import { svgPart } from "./curve.js";

const ROW_HEIGHT = 28; // px
const BAR_HEIGHT = 9; // px, two to a row
const [UPPER, LOWER] = [9.5, 18.5]; // middle of the two bars, px
const MARGIN = 0.02; // of the width of the plot beside the outermost value

/** Round numbers that span [low, high], about n of them. */
export function roundTicks(low, high, n = 4) {
  const raw = (high - low) / n || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 2.5, 5, 10].find((s) => s * power >= raw * 0.999);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) ticks.push(Number((k * step).toPrecision(6)));
  return ticks;
}

/** Axis over values: {ticks, at}, where `at` gives the place of a value in percent of the width. */
export function axisOver(values, n) {
  const finite = values.filter(Number.isFinite);
  const [low, high] = [Math.min(0, ...finite), Math.max(0, ...finite)];
  const span = high - low || 1;
  const [first, last] = [low - (low < 0 ? MARGIN : 0) * span, high + MARGIN * span];
  return { ticks: roundTicks(low, high, n), at: (value) => `${((100 * (value - first)) / (last - first)).toFixed(3)}%` };
}

export class RegionRows {
  /** `tell` is called with what happens: hover(region or null), pick(region). */
  constructor(parent, tell) {
    this.tell = tell;
    this.root = document.createElement("div");
    this.root.className = "region-rows";
    parent.append(this.root);
    this.rows = new Map(); // region -> element
    this.root.addEventListener("pointerleave", () => tell.hover(null));
  }

  /** Draw all rows of `data` (brivl/analyses/regions/browser_chart.py). */
  set(data) {
    this.data = data;
    const { rows, columns } = data;
    const all = rows.flatMap((r) => [r.a, r.b, r.joint, r.unique_a, r.unique_b, ...r.dots.flatMap((dot) => dot.slice(1))]);
    this.axis = axisOver(all.filter((v) => v !== null), 4);
    this.difference = data.intervals ? axisOver(rows.flatMap((r) => [r.difference, r.low, r.high]).filter((v) => v !== null), 2) : null;
    const words = columns.map(({ width }) => `${width}px`).join(" ");
    this.root.style.setProperty("--columns", `minmax(104px, ${this.difference ? 0.85 : 1.05}fr) minmax(120px, 1.6fr) ${this.difference ? "minmax(76px, 0.7fr)" : ""} ${words}`);
    this.root.replaceChildren(this._head());
    this.rows.clear();
    this.heads = [];
    let lobe = "";
    for (const row of rows) {
      if (row.lobe && row.lobe !== lobe) this._lobe((lobe = row.lobe));
      const made = this._row(row);
      made.dataset.lobe = row.lobe;
      this.rows.set(row.region, made);
      this.root.append(made);
    }
    this.none = this._element("p", "none", "No region of this name.");
    this.root.append(this.none);
  }

  /** Show the rows whose region is in `shown` (a Set), with the headings of their lobes. */
  filter(shown) {
    const lobes = new Set();
    for (const [region, element] of this.rows) {
      element.hidden = !shown.has(region);
      if (!element.hidden) lobes.add(element.dataset.lobe);
    }
    for (const head of this.heads) head.hidden = !lobes.has(head.dataset.lobe);
    this.none.hidden = shown.size > 0;
  }

  /** Light the row of a region up; `into` scrolls the list until it is in view. */
  light(region, into) {
    this.lit?.classList.remove("lit");
    this.lit = this.rows.get(region);
    if (!this.lit || this.lit.hidden) return;
    this.lit.classList.add("lit");
    if (!into) return;
    const { top, bottom } = this.lit.getBoundingClientRect();
    const box = this.root.getBoundingClientRect();
    const above = box.top + this.root.firstChild.offsetHeight + 26;
    if (top < above) this.root.scrollTop -= above - top;
    else if (bottom > box.bottom) this.root.scrollTop += bottom - box.bottom;
  }

  choose(region) {
    for (const [name, element] of this.rows) {
      element.classList.toggle("chosen", name === region);
      element.querySelector("button").setAttribute("aria-pressed", String(name === region));
    }
  }

  _element(tag, kind, text, parent) {
    const made = document.createElement(tag);
    made.className = kind;
    if (text !== undefined) made.textContent = text;
    parent?.append(made);
    return made;
  }

  _head() {
    const { names, quantity, columns } = this.data;
    const head = this._element("div", "axes-head");
    this._element("span", "", "", head);
    head.append(this._axis(this.axis, `split ${quantity}`));
    if (this.difference) head.append(this._axis(this.difference, "A − B, 95 % interval", `${names[0]} − ${names[1]}`));
    for (const { head: text, name } of columns) this._element("i", name === "p" || name === "q" ? "letter" : "word", text, head);
    return head;
  }

  _axis({ ticks, at }, title, spoken = title) {
    const svg = svgPart("svg", { class: "axis", width: "100%", height: 36, role: "img", "aria-label": spoken });
    svg.append(svgPart("text", { x: 0, y: 12, class: "axis-title" }, title));
    svg.append(svgPart("line", { x1: 0, x2: "100%", y1: 35.5, y2: 35.5, class: "curve-axis" }));
    for (const tick of ticks) {
      svg.append(svgPart("text", { x: at(tick), y: 29, class: "axis-tick", "text-anchor": tick === ticks[0] && tick === 0 ? "start" : "middle" }, String(tick).replace("-", "−")));
      svg.append(svgPart("line", { x1: at(tick), x2: at(tick), y1: 32, y2: 36, class: "curve-axis" }));
    }
    return svg;
  }

  _lobe(text) {
    const head = this._element("h4", "lobe", text, this.root);
    head.dataset.lobe = text;
    this.heads.push(head);
  }

  _row(row) {
    const made = this._element("div", "region-row");
    const name = this._element("button", "name", row.short, made);
    name.type = "button";
    name.title = row.region;
    name.setAttribute("aria-pressed", "false");
    name.setAttribute("aria-label", row.spoken);
    made.append(this._bars(row));
    if (this.difference) made.append(this._difference(row));
    row.cells.forEach((cell) => this._element("span", "cell", cell, made));
    made.addEventListener("pointerenter", () => this.tell.hover(row.region));
    made.addEventListener("pointermove", (event) => this.tell.hover(row.region, event));
    name.addEventListener("focus", () => this.tell.hover(row.region));
    made.addEventListener("click", () => this.tell.pick(row.region));
    return made;
  }

  _grid(svg, { ticks, at }) {
    for (const tick of ticks) svg.append(svgPart("line", { x1: at(tick), x2: at(tick), y1: 0, y2: ROW_HEIGHT, class: tick === 0 ? "zero" : "grid-line" }));
  }

  _bars(row) {
    const svg = svgPart("svg", { width: "100%", height: ROW_HEIGHT, class: "bars", "aria-hidden": "true" });
    const { at } = this.axis;
    this._grid(svg, this.axis);
    for (const [side, middle] of [["a", UPPER], ["b", LOWER]]) {
      const value = row[side];
      if (value !== null) {
        const [left, right] = [parseFloat(at(Math.min(0, value))), parseFloat(at(Math.max(0, value)))];
        svg.append(svgPart("rect", { x: `${left}%`, width: `${right - left}%`, y: middle - BAR_HEIGHT / 2, height: BAR_HEIGHT, class: `bar-${side}` }));
      }
    }
    for (const [, a, b] of row.dots) {
      if (a !== null && b !== null) svg.append(svgPart("line", { x1: at(a), y1: UPPER, x2: at(b), y2: LOWER, class: "pairing" }));
    }
    for (const [, a, b] of row.dots) {
      for (const [value, middle, side] of [[a, UPPER, "a"], [b, LOWER, "b"]]) {
        if (value !== null) svg.append(svgPart("circle", { cx: at(value), cy: middle, r: 2.6, class: `dot-${side}` }));
      }
    }
    if (row.joint !== null) svg.append(svgPart("line", { x1: at(row.joint), x2: at(row.joint), y1: 4, y2: ROW_HEIGHT - 4, class: "joint-mark" }));
    for (const [side, middle] of [["a", UPPER], ["b", LOWER]]) {
      const unique = row[`unique_${side}`];
      if (unique === null) continue;
      const place = svgPart("svg", { x: at(unique), y: middle, overflow: "visible" });
      place.append(svgPart("path", { d: "M0-5 5 0 0 5-5 0z", class: `unique-${side}` }));
      svg.append(place);
    }
    return svg;
  }

  _difference(row) {
    const svg = svgPart("svg", { width: "100%", height: ROW_HEIGHT, class: "bars", "aria-hidden": "true" });
    const { at } = this.difference;
    const y = ROW_HEIGHT / 2;
    this._grid(svg, this.difference);
    if (row.low !== null && row.high !== null) svg.append(svgPart("line", { x1: at(row.low), x2: at(row.high), y1: y, y2: y, class: "whisker" }));
    if (row.difference !== null) svg.append(svgPart("circle", { cx: at(row.difference), cy: y, r: 3.4, class: "difference-mark" }));
    return svg;
  }
}
