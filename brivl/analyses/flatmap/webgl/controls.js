// The row of controls over the maps, and the heads of panes.

import { PARTS } from "./scores.js";

const PART_NAMES = { unique_a: (a) => `Only ${a}`, unique_b: (_, b) => `Only ${b}`, shared: () => "Shared" };
const MAPS = { joint: "Joint", a: null, b: null, pair: "Both", difference: "Difference", best: "Best layer" };
const TOOLS = { pan: "Move", box: "Box", lasso: "Lasso" };

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
    name(value, text) { buttons.get(value).textContent = text; },
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
    this.map = choice(bar, "Map", Object.fromEntries(Object.entries(MAPS).map(([k, v]) => [k, v ?? k])), (v) => viewer.setMap(v));
    this.parts = choice(bar, "Unique and shared parts of R²", Object.fromEntries(PARTS.map((k) => [k, k])), (v) => viewer.setMap(v));
    const layer = make("label", bar, { className: "layer" });
    make("span", layer, {}, "Layer");
    this.slider = make("input", layer, { type: "range", step: 1, oninput: () => viewer.setLayerAt(Number(this.slider.value)) });
    this.number = make("output", layer);
    this.set = picker(bar, "Models", (v) => viewer.setSet(v));
    this.region = picker(bar, "Region", (v) => viewer.setRegion(v));
    const shapes = { flat: "Flat", inflated: "Inflated", pial: "Pial", regions: "AAL regions" };
    this.shape = picker(bar, "Shape", (v) => viewer.setShape(v));
    this.shapes = Object.entries(shapes);
    this.side = picker(bar, "Seen from", (v) => { if (v) viewer.setSide(v); });
    this.tool = choice(bar, "Pointer", TOOLS, (v) => viewer.setTool(v));
    this.names = toggle(bar, "Names", (on) => viewer.setNames(on));
    this.ev = toggle(bar, "Fade by EV", (on) => viewer.setFade(on));
    this.panes = picker(bar, "Panes", (v) => viewer.setPanes(Number(v)));
    make("button", bar, { type: "button", className: "plain", onclick: () => viewer.clear(), title: "No voxel, no area, whole map (Esc)" }, "Clear");
  }

  /** Agree with the viewer. */
  update(viewer) {
    const { scores } = viewer;
    const [a, b] = scores.meta.names;
    this.map.name("a", a);
    this.map.name("b", b);
    for (const [kind, name] of Object.entries(PART_NAMES)) this.parts.name(kind, name(a, b));
    this.map.set(viewer.map);
    this.parts.set(viewer.map);
    this.slider.max = scores.layers.length - 1;
    this.slider.value = scores.layers.indexOf(viewer.layer);
    this.slider.parentElement.style.display = scores.layers.length > 1 ? "" : "none";
    this.slider.setAttribute("aria-valuetext", `layer ${viewer.layer}`);
    this.number.textContent = String(viewer.layer);
    this.set.set(viewer.sets.map((s) => [s.key, s.title]), viewer.wanted ?? viewer.set);
    this.set.select.style.display = viewer.sets.length > 1 ? "" : "none";
    const regions = viewer.ground.meta.regions.filter((r) => r.filter).map((r) => [r.name, r.name]);
    this.region.set([["", "all voxels"], ...regions], viewer.region ?? "");
    this.region.select.style.display = regions.length ? "" : "none";
    this.shape.set(this.shapes.filter(([kind]) => kind !== "regions" || viewer.solid?.hasRegions), viewer.shape);
    this.shape.select.style.display = viewer.solid ? "" : "none";
    const sides = ["left", "right", "top", "front", "back", "below"].map((s) => [s, `from ${s === "top" ? "above" : s}`]);
    this.side.set([["", "seen from"], ...sides], "");
    this.side.select.style.display = viewer.shape === "flat" ? "none" : "";
    this.tool.root.style.display = viewer.shape === "flat" ? "" : "none";
    this.tool.set(viewer.tool);
    this.names.set(viewer.names);
    this.ev.set(viewer.fade);
    this.ev.label.style.display = scores.ev ? "" : "none";
    this.panes.set([1, 2, 3, 4].map((n) => [String(n), n === 1 ? "1 pane" : `${n} panes`]), String(1 + viewer.others.length));
  }
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
    const parts = Object.entries(PART_NAMES).map(([k, name]) => [k, name(a, b)]);
    this.map.set([...Object.entries(MAPS).map(([k, v]) => [k, v ?? (k === "a" ? a : b)]), ...parts], map);
  }
}

export const MAP_NAMES = Object.keys(MAPS);
