// The card of a voxel or an area: R² by layer, measured and predicted time course with what was shown under the
// pointer, weights by delay, and the stimuli that drive it most and least.

import { svgPart } from "./curve.js";
import { number } from "./scores.js";

const WIDE = { width: 660, height: 190, left: 40, right: 8, top: 10, bottom: 30 };
const SMALL = { width: 250, height: 170, left: 36, right: 8, top: 10, bottom: 30 };
const BEFORE = 5; // pictures shown up to the one under the pointer: what a slow response answers to
const LATE = 3000; // ms after which Python is believed whatever it says
const BIG = 58; // px of a picture beside the time course

function add(parent, tag, kind, text) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

function axes(size, [x0, x1], [y0, y1], label) {
  const { width, height, left, right, top, bottom } = size;
  const svg = svgPart("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": label });
  const x = (v) => left + ((v - x0) / (x1 - x0 || 1)) * (width - left - right);
  const y = (v) => height - bottom - ((v - y0) / (y1 - y0 || 1)) * (height - top - bottom);
  const line = (a, b, c, d) => svg.append(svgPart("line", { x1: a, y1: b, x2: c, y2: d, class: "curve-axis" }));
  const text = (at, content, anchor = "middle") =>
    svg.append(svgPart("text", { x: at[0], y: at[1], class: "curve-text", "text-anchor": anchor }, content));
  line(left, y(y0), left, y(y1));
  if (y0 <= 0 && y1 >= 0) line(left, y(0), width - right, y(0));
  return { svg, x, y, text };
}

function polyline(svg, points, colour, width, dash) {
  const extra = dash ? { "stroke-dasharray": dash } : {};
  svg.append(svgPart("polyline", { points: points.map((p) => p.join(",")).join(" "), fill: "none", stroke: colour, "stroke-width": width, ...extra }));
}

export class Card {
  constructor(parent) {
    this.root = add(parent, "section", "card");
    this.root.setAttribute("aria-label", "Card of what was clicked");
  }

  /** Show {title, facts, layers, layer, truth, names, theme, ...}; `course`: unpacked arrays, or null until computed. */
  update(data, course) {
    if (this.isLate(data)) return;
    Object.assign(this, { data, course });
    this.root.hidden = !!data.empty;
    const host = this.root.getRootNode().host ?? this.root.parentElement; // in the page, whose style docks the card
    host.dataset.holds = data.empty ? "" : "card";
    this.root.dataset.complete = String(!data.preview);
    if (data.empty) return;
    this.root.replaceChildren();
    this.root.dataset.voxel = data.voxel ?? "";
    this.root.style.setProperty("--bv-text", data.theme.text);
    this.root.style.setProperty("--bv-muted", data.theme.muted);
    this.root.style.setProperty("--bv-back", data.theme.background);
    this.root.style.setProperty("--bv-truth", data.theme.truth);
    add(this.root, "h3", "", data.title);
    this._facts();
    const charts = add(this.root, "div", "charts");
    if (data.layers.length > 1) this._layers(add(charts, "figure"));
    if (!course) return;
    this._course(add(charts, "figure", "wide"));
    if (course.meta.tr) this._delays(add(charts, "figure"));
    this._extremes(add(this.root, "div", "extremes"));
  }

  /** Show at once what the browser knows of a clicked voxel, until Python says the rest. */
  preview(data) {
    this.awaited = { voxel: data.voxel, since: performance.now() };
    this.update({ ...data, preview: true }, null);
  }

  /** News of an earlier click that come after a later one. */
  isLate(data) {
    if (!this.awaited || data.preview) return false;
    if (data.voxel === this.awaited.voxel || performance.now() - this.awaited.since > LATE) this.awaited = null;
    return this.awaited !== null;
  }

  _facts() {
    const list = add(this.root, "dl", "facts");
    for (const [name, value, kind] of this.data.facts) {
      const pair = add(list, "div", kind ?? "");
      add(pair, "dt", "", name);
      add(pair, "dd", "", value);
    }
  }

  _legend(figure, entries) {
    const row = add(figure, "figcaption");
    for (const [text, colour, kind] of entries) {
      const entry = add(row, "span", "key", text);
      const line = add(entry, "i", kind ?? "");
      line.style.borderColor = colour;
      entry.prepend(line);
    }
  }

  _layers(figure) {
    const { layers, layer, theme, names: [a, b], truth } = this.data;
    const values = layers.flatMap((p) => [p.a, p.b, p.a + p.b]).filter(Number.isFinite);
    const top = Math.max(0.01, ...values);
    const { svg, x, y, text } = axes(SMALL, [layers[0].layer, layers[layers.length - 1].layer], [Math.min(0, ...values), top], "R² by layer");
    const at = (l, colour, dash) => polyline(svg, [[x(l), y(0)], [x(l), y(top)]], colour, 1.4, dash);
    at(layer, theme.muted, "2 3");
    if (truth) at(truth.layer, theme.truth, "5 3");
    for (const [of, colour] of [[(p) => p.a + p.b, theme.joint], [(p) => p.a, theme.a], [(p) => p.b, theme.b]]) {
      polyline(svg, layers.filter((p) => Number.isFinite(of(p))).map((p) => [x(p.layer), y(of(p))]), colour, 2);
    }
    for (const { layer: l } of layers) text([x(l), SMALL.height - 15], String(l));
    text([SMALL.width / 2, SMALL.height - 2], "layer");
    text([SMALL.left - 4, y(top) + 4], number(top, 2), "end");
    text([SMALL.left - 4, y(0) + 4], "0", "end");
    figure.append(svg);
    const planted = truth ? [["true layer (simulated)", theme.truth, "dashed"]] : [];
    this._legend(figure, [["joint R²", theme.joint], [a, theme.a], [b, theme.b], ...planted]);
  }

  _course(figure) {
    const { theme, names: [a, b] } = this.data;
    const { measured, predicted, meta } = { ...this.course.arrays, meta: this.course.meta };
    const n = measured.length;
    const parts = [predicted.subarray(0, n), predicted.subarray(n)];
    const joint = parts[0].map((v, i) => v + parts[1][i]);
    const all = [...measured, ...joint];
    const { svg, x, y, text } = axes(WIDE, [0, n - 1], [Math.min(...all), Math.max(...all)], "Measured and predicted time course");
    const points = (values) => Array.from(values, (v, i) => [x(i), y(v)]);
    polyline(svg, points(measured), theme.measured, 2);
    polyline(svg, points(parts[0]), theme.a, 1.2, "4 2");
    polyline(svg, points(parts[1]), theme.b, 1.2, "4 2");
    polyline(svg, points(joint), theme.joint, 2.2);
    const unit = meta.tr ? "s" : "sample";
    for (let i = 0; i <= 4; i++) {
      const at = Math.round(((n - 1) * i) / 4);
      text([x(at), WIDE.height - 15], meta.tr ? String(at * meta.tr) : String(at + 1));
    }
    text([WIDE.width / 2, WIDE.height - 2], meta.tr ? "time in the test run (s)" : "held-out sample");
    text([WIDE.left - 4, y(0) + 4], "0", "end");
    text([WIDE.left - 4, WIDE.top + 8], number(Math.max(...all), 2), "end");
    const mark = svgPart("line", { y1: WIDE.top, y2: WIDE.height - WIDE.bottom, class: "curve-at", x1: -9, x2: -9 });
    svg.append(mark);
    figure.append(svg);
    this._legend(figure, [["measured (z)", theme.measured], ["predicted, both", theme.joint], [`part of ${a}`, theme.a, "dashed"], [`part of ${b}`, theme.b, "dashed"]]);
    const under = add(figure, "div", "under");
    const point = (i) => {
      mark.setAttribute("x1", x(i));
      mark.setAttribute("x2", x(i));
      this._under(under, i, `${meta.tr ? `t = ${number(i * meta.tr, 4)} s` : `${unit} ${i + 1}`}: measured ${number(measured[i])} SD, predicted ${number(joint[i])} SD`);
    };
    svg.setAttribute("tabindex", "0");
    let now = Math.floor(n / 2);
    const go = (i) => { now = Math.max(0, Math.min(n - 1, i)); point(now); };
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const share = ((event.clientX - box.left) / box.width) * WIDE.width;
      go(Math.round(((share - WIDE.left) / (WIDE.width - WIDE.left - WIDE.right)) * (n - 1)));
    });
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) { event.preventDefault(); go(now + step); }
    });
    go(now);
  }

  /** What was shown at a sample, and before it where the response is slow. */
  _under(box, i, said) {
    box.replaceChildren();
    add(box, "p", "", said);
    const { meta } = this.course;
    if (meta.texts.length) {
      add(box, "blockquote", "", meta.texts[i]);
    } else if (this.course.arrays.sheet.length) {
      const row = add(box, "div", "strip");
      const first = meta.tr ? i - BEFORE + 1 : i;
      for (let k = Math.max(0, first); k <= i; k++) this._picture(row, "sheet", k, meta.tr ? (k === i ? "now" : `−${(i - k) * meta.tr} s`) : "");
    }
  }

  _picture(row, name, k, label) {
    const { columns, tile } = this.course.meta;
    const frame = add(row, "figure", "frame");
    const picture = add(frame, "div", "tile");
    const scale = BIG / tile;
    picture.style.backgroundImage = `url(${this._address(name)})`;
    picture.style.backgroundSize = `${columns * tile * scale}px auto`;
    picture.style.backgroundPosition = `${-(k % columns) * BIG}px ${-Math.floor(k / columns) * BIG}px`;
    if (label) add(frame, "figcaption", "", label);
  }

  _address(name) {
    this.course.addresses ??= {};
    return (this.course.addresses[name] ??= URL.createObjectURL(new Blob([this.course.arrays[name]], { type: "image/webp" })));
  }

  _delays(figure) {
    const { theme, names } = this.data;
    const { delays_s: delays, delay_weights: weights } = this.course.arrays;
    const n = delays.length;
    const { svg, y, text } = axes(SMALL, [0, 1], [0, 1], "Weights by delay");
    const room = (SMALL.width - SMALL.left - SMALL.right) / n;
    for (let d = 0; d < n; d++) {
      [theme.a, theme.b].forEach((colour, side) => {
        const height = weights[side * n + d];
        svg.append(svgPart("rect", { x: SMALL.left + d * room + room * (0.15 + 0.36 * side), width: room * 0.32, y: y(height), height: y(0) - y(height), fill: colour }));
      });
      text([SMALL.left + (d + 0.5) * room, SMALL.height - 15], String(delays[d]));
    }
    text([SMALL.width / 2, SMALL.height - 2], "delay (s)");
    figure.append(svg);
    this._legend(figure, [[`|weight| (a.u.), ${names[0]}`, theme.a], [names[1], theme.b]]);
  }

  _extremes(box) {
    const { n_most: most, n_least: least, extreme_texts: texts } = this.course.meta;
    const lists = [["Highest predicted response", 0, most], ["Lowest predicted response", most, least]];
    for (const [title, from, n] of lists) {
      if (!texts.length && !this.course.arrays.extremes_sheet.length) return;
      const part = add(box, "div");
      add(part, "h4", "", title);
      const row = add(part, texts.length ? "ol" : "div", texts.length ? "" : "strip");
      for (let k = from; k < from + n; k++) {
        if (texts.length) add(row, "li", "", texts[k]);
        else this._picture(row, "extremes_sheet", k, "");
      }
    }
  }
}
