// The row of controls over the maps, and the heads of panes.

import { svgPart } from "./curve.js";
import { PARTS } from "./scores.js";

const TOOLS = { pan: "Move", box: "Box", lasso: "Lasso" };
const SHAPES = { flat: "Flat", inflated: "Inflated", pial: "Pial", regions: "AAL regions", slices: "Slices" };
const SIDE_NAMES = { left: "left", right: "right", top: "above", front: "front", back: "back", below: "below" };
export const MAP_NAMES = ["joint", "a", "b", "pair", "difference", "best", ...PARTS];
export const KEYS = [
  ["[ ]", "previous, next layer"], ["m", "next map"], ["n", "ROI labels on or off"], ["e", "fade where the noise ceiling is low"],
  ["f", "full screen"], ["arrows", "move the map or turn the brain"], ["Shift + arrows", "pin the neighbouring voxel"],
  ["+ −", "zoom"], ["0", "whole map"], ["Esc", "clear the selection"], ["?", "this list"],
];

/** [value, text] of every map; a and b are the names of the models. */
function mapTitles(a, b) {
  return [
    ["joint", "Joint R²"], ["a", `Split R², ${a}`], ["b", `Split R², ${b}`], ["pair", `${a} × ${b} (2-D colours)`],
    ["difference", `Difference, ${a} − ${b}`], ["best", "Best layer"],
    ["unique_a", `Unique R², ${a}`], ["unique_b", `Unique R², ${b}`], ["shared", "Shared R²"],
  ];
}

/** The same, short enough for a row of buttons. */
function buttonTitles(a, b) {
  return { joint: "Joint R²", a, b, pair: "A × B", difference: "A − B", best: "Best layer", unique_a: "Unique A", unique_b: "Unique B", shared: "Shared" };
}

function make(tag, parent, fields = {}, text) {
  const made = document.createElement(tag);
  Object.assign(made, fields);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

/** Buttons of which one is pressed; `set(value)` presses it. */
function choice(parent, label, options, onChoose) {
  const group = make("div", parent, { className: "choice" });
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", label);
  const buttons = new Map(Object.entries(options).map(([value, text]) => [
    value, make("button", group, { type: "button", onclick: () => onChoose(value) }, text),
  ]));
  return {
    root: group,
    set(value) { for (const [v, button] of buttons) button.setAttribute("aria-pressed", String(v === value)); },
    name(value, text, title = text) { Object.assign(buttons.get(value), { textContent: text, title }); },
  };
}

function picker(parent, label, onChoose) {
  const select = make("select", parent, { onchange: () => onChoose(select.value), title: label });
  select.setAttribute("aria-label", label);
  let known = "";
  return {
    select,
    set(options, value) { // options: [[value, text], ...]
      if (known !== JSON.stringify(options)) {
        select.replaceChildren(...options.map(([v, text]) => new Option(text, v)));
        known = JSON.stringify(options);
      }
      select.value = value;
    },
  };
}

function toggle(parent, text, onToggle) {
  const label = make("label", parent, { className: "toggle" });
  const input = make("input", label, { type: "checkbox", onchange: () => onToggle(input.checked) });
  make("span", label, {}, text);
  return { label, set(on) { input.checked = on; } };
}

export class Controls {
  constructor(parent, viewer) {
    const bar = make("div", parent, { className: "controls" });
    this.map = choice(bar, "Map", buttonTitles("A", "B"), (v) => viewer.setMap(v)); // where there is room, else:
    this.map.root.classList.add("map-buttons");
    this.mapPicker = picker(bar, "Map", (v) => viewer.setMap(v));
    this.mapPicker.select.classList.add("map-picker");
    const layer = make("label", bar, { className: "layer" });
    make("span", layer, {}, "Layer");
    this.slider = make("input", layer, { type: "range", step: 1, oninput: () => viewer.setLayerAt(Number(this.slider.value)) });
    this.number = make("output", layer);
    this.shape = picker(bar, "Shape", (v) => viewer.setShape(v));
    this.side = picker(bar, "View from", (v) => { if (v) viewer.setSide(v); });
    this.tool = choice(bar, "Pointer", TOOLS, (v) => viewer.setTool(v));
    this._options(bar, viewer);
    make("button", bar, { type: "button", className: "plain", onclick: () => viewer.clear(), title: "No voxel, no area, whole map (Esc)" }, "Clear selection");
    const screen = make("button", bar, { type: "button", className: "plain full-screen", onclick: () => viewer.fullScreen(), title: "Full screen (f)" });
    const icon = svgPart("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" }); // few fonts have a sign for it
    icon.append(svgPart("path", { d: "M1 5V1H5M9 1H13V5M13 9V13H9M5 13H1V9", fill: "none", stroke: "currentColor", "stroke-width": 1.6 }));
    screen.append(icon);
    screen.setAttribute("aria-label", "Full screen");
    const help = make("button", bar, { type: "button", className: "plain", onclick: () => viewer.showKeys(), title: "Keys (?)" }, "?");
    help.setAttribute("aria-label", "Keys");
  }

  /** What is changed rarely, in a panel that opens. */
  _options(bar, viewer) {
    this.details = make("details", bar, { className: "options" });
    make("summary", this.details, {}, "Options");
    const panel = make("div", this.details, { className: "panel" });
    const row = (text) => make("span", make("label", panel, { className: "row" }), {}, text).parentElement;
    this.set = picker(row("Compare with"), "Models", (v) => viewer.setSet(v));
    const region = row("Region");
    region.classList.add("region");
    this.region = picker(region, "Region", (v) => viewer.setRegion(v));
    this.panes = picker(row("Maps side by side"), "Panes", (v) => viewer.setPanes(Number(v)));
    const threshold = row("Threshold");
    this.threshold = make("input", threshold, { type: "range", min: 0, oninput: () => viewer.setThreshold(Number(this.threshold.value)) });
    this.thresholdValue = make("output", threshold);
    this.names = toggle(panel, "ROI labels", (on) => viewer.setNames(on));
    this.ev = toggle(panel, "Fade where the noise ceiling is low", (on) => viewer.setFade(on));
    this.details.addEventListener("keydown", (event) => { if (event.key === "Escape") this.details.open = false; });
    viewer.root.addEventListener("pointerdown", (event) => {
      if (!event.composedPath().includes(this.details)) this.details.open = false;
    });
  }

  /** Agree with the viewer. */
  update(viewer) {
    const { scores } = viewer;
    const [a, b] = scores.meta.names;
    const full = new Map(mapTitles(a, b));
    for (const [kind, name] of Object.entries(buttonTitles(a, b))) this.map.name(kind, name, full.get(kind));
    this.map.set(viewer.map);
    this.mapPicker.set([...full], viewer.map);
    this.slider.max = scores.layers.length - 1;
    this.slider.value = scores.layers.indexOf(viewer.layer);
    this.slider.parentElement.style.display = scores.layers.length > 1 ? "" : "none";
    this.slider.setAttribute("aria-valuetext", `layer ${viewer.layer}`);
    this.number.textContent = String(viewer.layer);
    this.set.set(viewer.sets.map((s) => [s.key, s.title]), viewer.wanted ?? viewer.set);
    this.set.select.parentElement.style.display = viewer.sets.length > 1 ? "" : "none";
    const regions = viewer.ground.meta.regions.filter((r) => r.filter).map((r) => [r.name, r.name]);
    this.region.set([["", "all voxels"], ...regions], viewer.region ?? "");
    this.region.select.parentElement.style.display = regions.length ? "" : "none";
    const shapes = viewer.shapes();
    this.shape.set(Object.entries(SHAPES).filter(([kind]) => shapes.includes(kind)), viewer.shape);
    this.shape.select.style.display = shapes.length > 1 ? "" : "none";
    this.side.set([["", "view from …"], ...Object.entries(SIDE_NAMES).map(([s, text]) => [s, `view from ${text}`])], "");
    this.side.select.style.display = ["flat", "slices"].includes(viewer.shape) ? "none" : "";
    this.tool.root.style.display = viewer.shape === "flat" ? "" : "none";
    this.tool.set(viewer.tool);
    const { scale } = viewer.panes[0]?.style ?? {};
    const limit = viewer.limits[scale] ?? 1;
    Object.assign(this.threshold, { max: limit, step: limit / 50, value: viewer.threshold });
    this.threshold.setAttribute("aria-label", "Threshold");
    this.thresholdValue.textContent = viewer.threshold ? viewer.threshold.toFixed(3) : "none";
    this.names.set(viewer.names);
    this.ev.set(viewer.fade);
    this.ev.label.style.display = scores.ev ? "" : "none";
    this.panes.set([1, 2, 3, 4].map((n) => [String(n), String(n)]), String(1 + viewer.others.length));
  }
}

/** The list of keys over the map; a key or a click closes it. */
export class KeySheet {
  constructor(parent) {
    this.root = make("div", parent, { className: "key-sheet", hidden: true, onclick: () => this.toggle() });
    this.root.setAttribute("role", "dialog");
    this.root.setAttribute("aria-label", "Keys of the map");
    make("strong", this.root, {}, "Keys");
    const list = make("dl", this.root);
    for (const [key, what] of KEYS) {
      make("dt", list, {}, key);
      make("dd", list, {}, what);
    }
  }

  toggle(shown = this.root.hidden) { this.root.hidden = !shown; }
}

/** What one of several panes shows, above it: models or subject, layer, map. */
export class PaneHead {
  constructor(parent, onChange) {
    this.set = picker(parent, "Models of this pane", (v) => onChange({ set: v }));
    this.layer = picker(parent, "Layer of this pane", (v) => onChange({ layer: Number(v) }));
    this.map = picker(parent, "Map of this pane", (v) => onChange({ map: v }));
  }

  update(viewer, { set, scores, layer, map }) {
    const [a, b] = scores.meta.names;
    this.set.set(viewer.sets.map((s) => [s.key, s.title]), set);
    this.set.select.style.display = viewer.sets.length > 1 ? "" : "none";
    this.layer.set(scores.layers.map((l) => [String(l), `layer ${l}`]), String(layer));
    this.layer.select.disabled = map === "best";
    this.map.set(mapTitles(a, b), map);
  }
}
