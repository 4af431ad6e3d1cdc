// The viewer: what is shown, by which panes, and what Python is told once it has settled.

import { Controls, KeySheet, PaneHead } from "./controls.js";
import { drawCurve } from "./curve.js";
import { ZOOM, onKey } from "./keys.js";
import { Pane } from "./pane.js";
import { cardOf, readOut } from "./readout.js";
import { Scale } from "./scale.js";
import { PARTS, number } from "./scores.js";

const SETTLED = { click: 0, select: 0, layer: 450, map: 150, look: 700 }; // ms until Python hears of a change
const STEPS = [0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1];
const WHOLE = { x: 0.5, y: 0.5, zoom: 1 };
const KEPT = ["map", "layer", "set", "region", "polygon", "picked", "names", "fade", "threshold", "camera", "limits", "others", "shape", "orbit"];
const LOOSE = ["picked", "camera", "orbit"]; // what a frame alone can follow
const FRONT = { yaw: -35, pitch: 18, zoom: 1 };

const SIDES = {
  left: { yaw: -90, pitch: 0 }, right: { yaw: 90, pitch: 0 }, top: { yaw: 0, pitch: 90 }, front: { yaw: 180, pitch: 0 },
  back: { yaw: 0, pitch: 0 }, below: { yaw: 0, pitch: -90 },
};

export class Viewer {
  constructor(parent) {
    this.root = document.createElement("div");
    this.root.className = "viewer";
    this.root.tabIndex = 0;
    this.root.setAttribute("role", "application");
    parent.append(this.root);
    this.controls = new Controls(this.root, this);
    this.body = document.createElement("div");
    this.body.className = "body";
    this.grid = document.createElement("div");
    this.side = document.createElement("div");
    [this.grid.className, this.side.className] = ["panes", "side"];
    this.body.append(this.grid, this.side);
    this.root.append(this.body);
    this.scaleBox = document.createElement("div");
    this.scaleBox.className = "scales";
    this.side.append(this.scaleBox);
    this.scales = [];
    this.keySheet = new KeySheet(this.body);
    this.live = document.createElement("div");
    this.live.className = "live";
    this.live.setAttribute("aria-live", "polite");
    this.root.append(this.live);
    this.limitBox = this._limitBox();
    this.note = document.createElement("div");
    this.note.className = "scale-note";
    this.side.append(this.note);
    this.curveBox = document.createElement("div");
    this.side.append(this.curveBox);
    this.panes = [];
    Object.assign(this, { tool: "pan", threshold: 0, seq: 0, sent: 0, camera: { ...WHOLE }, picked: null, polygon: null, others: [], shape: "flat", orbit: { ...FRONT } });
    this.root.addEventListener("keydown", (event) => onKey(this, event));
    this.root.addEventListener("pointerenter", () => { // keys work where the pointer is, unless somebody is writing
      const at = document.activeElement;
      const writing = at?.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(at?.tagName) || at?.shadowRoot;
      if (!writing) this.root.focus({ preventScroll: true });
    });
    this.watch = new ResizeObserver(() => this.panes.forEach((pane) => { pane.showTip(-1); pane.drawSoon(); }));
    this.watch.observe(this.grid);
    this.root.brivl = this; // for tests and the bench
  }

  // From Python

  /**
   * Show what Python says: {seq, theme, sets, view, ...}; its view counts unless news of ours are on their way, or it
   * was taken before, with fewer scores.
   */
  update(data, ground, solid, scores, alone, tell, taken = false) {
    Object.assign(this, { solid, sets: data.sets, theme: data.theme, data, tell });
    const fresh = this.ground !== ground;
    scores.forEach((each, i) => { each.alone = alone[i]; });
    if (!this.ground) this.seq = this.sent = data.seq;
    Object.assign(this, { ground, all: new Map(data.sets.filter((s) => s.values).map((s, i) => [s.key, scores[i]])) });
    if (!taken && (fresh || data.seq >= this.sent)) this._take(data.view);
    this.root.setAttribute("aria-label", data.label);
    this.root.classList.toggle("dark", data.theme.dark);
    for (const name of ["layer", "region"]) this.root.classList.toggle(`${name}-beside`, data.beside?.includes(name) ?? false);
    this.root.style.setProperty("--bv-text", data.theme.text);
    this.root.style.setProperty("--bv-muted", data.theme.muted);
    this.root.style.setProperty("--bv-back", data.theme.background);
    if (this.painted !== this._state()) return this.repaint();
    this.panes.forEach((pane) => pane.drawSoon());
    return this._inHand(this.picked ?? -1);
  }

  /** All that a picture depends on, but for the camera and the kept voxel. */
  _state() {
    const { ground, solid, sets, theme, simulated } = this.data;
    return JSON.stringify([ground, solid, sets, theme, simulated, KEPT.filter((k) => !LOOSE.includes(k)).map((k) => this[k])]);
  }

  _take(view) {
    for (const name of KEPT) if (view[name] !== undefined) this[name] = structuredClone(view[name]);
    this.wanted = null;
    if (!this.all.has(this.set)) this.set = this.sets.find((s) => s.values).key;
    this.layer = this.scores.nearestLayer(this.layer);
    if (!this.shapes().includes(this.shape)) this.shape = "flat";
  }

  /** The views that these voxels have. */
  shapes() {
    const inSpace = this.solid ? ["inflated", "pial", ...(this.solid.hasRegions ? ["regions"] : [])] : [];
    return ["flat", ...inSpace, ...(this.ground.meta.on_grid ? ["slices"] : [])];
  }

  get scores() { return this.all.get(this.set); }

  // To Python

  /** Tell Python, once nothing has changed for as long as this kind of change needs. */
  settle(why) {
    this.seq += 1;
    const due = performance.now() + SETTLED[why];
    this.due = why === "click" || why === "select" ? due : Math.max(due, this.due ?? 0);
    clearTimeout(this.telling);
    this.telling = setTimeout(() => {
      [this.due, this.sent] = [null, this.seq];
      const view = { ...Object.fromEntries(KEPT.map((name) => [name, this[name]])), set: this.wanted ?? this.set };
      this.tell?.({ seq: this.seq, view });
    }, Math.max(0, this.due - performance.now()));
  }

  // What is shown

  views() {
    const main = { set: this.set, scores: this.scores, layer: this.layer, map: this.map };
    const others = this.others.map((other) => {
      const scores = this.all.get(other.set) ?? this.scores;
      const known = this.sets.some((s) => s.key === other.set);
      const layer = scores.nearestLayer(other.layer);
      return { ...other, set: known ? other.set : this.set, scores, layer, loading: known && !this.all.has(other.set) };
    });
    return [main, ...others];
  }

  repaint() {
    this.painted = this._state();
    const views = this.views();
    while (this.panes.length < views.length) this._addPane();
    while (this.panes.length > views.length) this.panes.pop().root.remove();
    this.grid.dataset.n = views.length;
    const inside = this.inside();
    const chosen = String(this.polygon ?? this.region ?? "");
    const border = this._border(inside);
    this.panes.forEach((pane, i) => {
      const view = views[i];
      pane.headControls.update(this, view);
      const options = { theme: this.theme, names: this.names, region: this.region, byEv: this.fade && !!view.scores.ev, threshold: this.threshold, inside, chosen, border };
      pane.paint(view, this.limits, options);
      pane.badge.textContent = view.loading ? "loading" : this.data.simulated ? "simulated" : "";
      pane.stage.classList.toggle("loading", !!view.loading);
    });
    this.controls.update(this);
    this._legend();
  }

  _addPane() {
    const pane = new Pane(this.grid, this);
    const i = this.panes.push(pane) - 1;
    pane.headControls = new PaneHead(pane.head, (change) => this.setPane(i, change));
    this.watch.observe(pane.stage);
  }

  _legend() {
    const { style } = this.panes[0];
    const first = (pane) => this.panes.find((p) => p.style.title === pane.style.title && p.style.mode === pane.style.mode);
    const shown = (this.scaled = this.panes.filter((pane) => first(pane) === pane));
    while (this.scales.length < shown.length) this.scales.push(new Scale(this.scaleBox));
    while (this.scales.length > shown.length) this.scales.pop().root.remove();
    shown.forEach(({ style: each, view: { scores } }, i) => {
      this.scales[i].set(each, { ...this.ground.luts, layers: this.layerColours(scores) }, scores.meta.names, scores.layers, this.theme.curvature, this.shape === "flat");
    });
    this.note.textContent = this._note();
    this.limitBox.style.display = style.scale ? "" : "none";
    this.limitBox.firstChild.textContent = style.scale ? `limit ${number(this.limits[style.scale])}` : "";
    this._inHand(this.picked ?? -1);
  }

  _note() {
    const lacking = this.panes.find(({ view: { scores, map, layer } }) => PARTS.includes(map) && !scores.alone?.layer(layer));
    if (lacking) return `The models were not fitted alone at layer ${lacking.view.layer}; a button below the map does so.`;
    if (this.threshold) return `Threshold: ${this.panes[0].style.mode === "diverging" ? "|R²|" : "R²"} below ${number(this.threshold)} is not shown.`;
    if (this.shape === "regions") return "Each AAL region has the mean of its fitted voxels; subcortical regions lie below, enlarged.";
    return "";
  }

  layerColours(scores) {
    return Uint8Array.from(scores.meta.layer_colours.flat());
  }

  /** Voxels of the drawn area, else of the region; null for all. */
  inside() {
    if (this.polygon) return this.ground.members({ polygon: this.polygon });
    return this.region ? this.ground.members({ region: this.region }) : null;
  }

  /** Border of the chosen region where no outline of it is drawn; null without a region. */
  _border(inside) {
    if (!this.region || this.polygon || this.ground.outlines.some((o) => o.name === this.region)) return null;
    const key = `${this.ground.id} ${this.region}`;
    if (this.bordered?.key !== key) this.bordered = { key, sides: this.ground.borderOf(inside) };
    return this.bordered.sides;
  }

  /** The pointer is over a voxel of a pane; -1: over none. Other panes and the scale show it too. */
  hover(pane, voxel, event) {
    if (event) pane.showTip(voxel, event.clientX, event.clientY);
    else pane.showTip(-1);
    if (voxel === this.under) return;
    this.under = voxel;
    for (const other of this.panes) other.showCursor(other === pane ? -1 : voxel);
    this._inHand(voxel >= 0 ? voxel : this.picked ?? -1);
  }

  _inHand(voxel) {
    this.scales.forEach((scale, i) => {
      const { scores, layer, map } = this.scaled[i].view;
      const at = voxel >= 0 ? scores.pairOf(map, layer) : null;
      scale.point(at && { a: at.a[voxel], b: at.b[voxel] });
    });
    cancelAnimationFrame(this.curving);
    this.curving = requestAnimationFrame(() => this._curve(voxel));
  }

  _curve(voxel) {
    const inside = voxel < 0 ? this.inside() : null;
    const points = voxel >= 0 ? this.scores.curve(voxel) : inside ? this.scores.curve(-1, inside) : [];
    const n = inside ? inside.reduce((sum, x) => sum + x, 0) : 0;
    const title = voxel >= 0 ? `R² by layer, voxel ${voxel.toLocaleString("en")}` : `R² by layer, mean of ${n.toLocaleString("en")} voxels`;
    drawCurve(this.curveBox, points, this.layer, title, this.theme);
  }

  // What a visitor does

  _change(why, fields) {
    Object.assign(this, fields);
    this.repaint();
    this.settle(why);
  }

  setMap(map) { this._change("map", { map }); }
  setLayerAt(place) { this.setLayer(this.scores.layers[Math.min(this.scores.layers.length - 1, Math.max(0, place))]); }
  setLayer(layer) { if (layer !== this.layer) this._change("layer", { layer }); }
  setSet(set) {
    if (this.all.has(set)) this._change("map", { set, layer: this.all.get(set).nearestLayer(this.layer) });
    else this._change("map", { wanted: set }); // Python sends it
  }
  setRegion(region) { this._change("map", { region: region || null, polygon: null }); }
  setNames(names) { this._change("look", { names }); }
  setThreshold(threshold) { this._change("look", { threshold }); }
  setFade(fade) { this._change("look", { fade }); }
  setTool(tool) { this.tool = tool; this.root.dataset.tool = tool; this.controls.update(this); }
  select(polygon) { this._change("select", { polygon, picked: null }); }
  clear() { this._change("select", { picked: null, polygon: null, camera: { ...WHOLE } }); }
  resetCamera() { this._change("look", { camera: { ...WHOLE }, orbit: { ...FRONT } }); }

  pick(voxel) {
    this.picked = voxel < 0 ? null : voxel;
    if (voxel >= 0) this.onPick?.(cardOf(this.ground, voxel, this.panes[0].view, this.theme));
    this.live.textContent = voxel < 0 ? "" : readOut(this.ground, voxel, this.panes[0].view);
    this.panes.forEach((pane) => pane.drawSoon());
    this._inHand(voxel);
    this.settle("click");
  }

  /** The region of a vertex of the AAL view; the same again, or none, lets it go. */
  pickRegion(vertex) {
    const name = this.solid.meta.region_names[vertex < 0 ? 0 : this.solid.region[vertex]] ?? null;
    const known = this.ground.meta.regions.some((r) => r.filter && r.name === name);
    this.live.textContent = known ? name : "";
    this._change("map", { region: known && name !== this.region ? name : null, polygon: null, picked: null });
  }

  /** Other panes differ from the first in the layer, so that there is something to compare. */
  setPanes(n) {
    const { layers } = this.scores;
    const others = this.others.slice(0, n - 1);
    while (others.length < n - 1) {
      const at = (layers.indexOf(this.layer) + others.length + 1) % layers.length;
      others.push({ set: this.set, layer: layers[at], map: this.map });
    }
    this._change("map", { others });
  }

  setPane(i, change) {
    if (i === 0) {
      if (change.set) return this.setSet(change.set);
      return this._change("map", change);
    }
    return this._change("map", { others: this.others.map((other, k) => (k === i - 1 ? { ...other, ...change } : other)) });
  }

  setLimit(step) {
    const { scale } = this.panes[0].style;
    const above = STEPS.findIndex((s) => s >= this.limits[scale] - 1e-9);
    const at = Math.min(STEPS.length - 1, Math.max(0, (above < 0 ? STEPS.length : above) + step));
    this._change("look", { limits: { ...this.limits, [scale]: STEPS[at] } });
  }

  _limitBox() {
    const box = document.createElement("div");
    box.className = "limit";
    box.append(document.createElement("span"));
    for (const [text, step, label] of [["−", -1, "Lower colour limit"], ["+", 1, "Higher colour limit"]]) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: text, onclick: () => this.setLimit(step) });
      button.setAttribute("aria-label", label);
      box.append(button);
    }
    this.side.append(box);
    return box;
  }

  // Camera, shared by all panes

  /** The map alone on the whole screen; the same again, or Esc, ends it. */
  fullScreen() {
    const { root } = this;
    if (root.getRootNode().fullscreenElement === root) return document.exitFullscreen();
    return root.requestFullscreen?.().then(() => root.focus({ preventScroll: true }));
  }

  showKeys() { this.keySheet.toggle(); }

  setShape(shape) { this._change("look", { shape }); }

  /** Turn by a drag: half a turn across the stage. */
  turnBy(held, dx, dy) {
    const pitch = Math.min(90, Math.max(-90, held.orbit.pitch + dy * 0.4));
    this._orbit({ ...this.orbit, yaw: held.orbit.yaw - dx * 0.4, pitch });
  }

  setSide(name) { this._orbit({ ...SIDES[name], zoom: this.orbit.zoom }); }

  _orbit(orbit) {
    this.orbit = { ...orbit, yaw: ((((orbit.yaw + 180) % 360) + 360) % 360) - 180 };
    this.panes.forEach((pane) => pane.move());
    this.settle("look");
  }

  panTo(pane, held, dx, dy) {
    const { scale } = pane.transform();
    this._aim({ ...this.camera, x: held.at.x - dx / (scale * this.ground.width), y: held.at.y - dy / (scale * this.ground.height) });
  }

  zoomAt(pane, clientX, clientY, factor) {
    if (this.shape === "slices") return undefined;
    if (this.shape !== "flat") return this._orbit({ ...this.orbit, zoom: Math.min(6, Math.max(0.6, this.orbit.zoom * factor)) });
    const [x, y] = pane.toPicture(clientX, clientY);
    const at = { x: (x + 0.5) / this.ground.width, y: (y + 0.5) / this.ground.height };
    const zoom = Math.min(ZOOM[1], Math.max(ZOOM[0], this.camera.zoom * factor));
    const kept = this.camera.zoom / zoom;
    return this._aim({ x: at.x + (this.camera.x - at.x) * kept, y: at.y + (this.camera.y - at.y) * kept, zoom });
  }

  _aim({ x, y, zoom }) {
    const within = (v) => Math.min(1.1, Math.max(-0.1, v));
    this.camera = { x: within(x), y: within(y), zoom };
    this.panes.forEach((pane) => pane.move());
    this.settle("look");
  }

  boxOf(stage) { return stage.getBoundingClientRect(); }

  close() {
    clearTimeout(this.telling);
    this.watch.disconnect();
  }
}
