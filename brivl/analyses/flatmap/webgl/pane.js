// One map: its canvases, what lies under the pointer, pan, zoom, box and lasso.

import { colourCells, curvaturePicture, greyBetween, opaque, styleOf } from "./colour.js";
import { simplified } from "./ground.js";
import { Slices } from "./slices.js";
import { Overlay, withoutCollisions } from "./overlay.js";
import { Painter } from "./painter.js";
import { readOut, regionReadOut } from "./readout.js";
import { SolidView, axesOf, dot } from "./solid.js";

const FADED = 0.35; // opacity outside the selection
const FULL_EV = 0.5; // explainable variance from which colours are full
const FAINTEST = 0.15; // opacity where nothing can be explained
const SETTLE = 140; // ms without motion after which outlines are drawn again
const EDGE = 0xff141414; // colour of a region's edge on a surface
const FACING = 0.35; // of a surface that names are written on: cosine to the line of sight
const [NAME_WIDTH, NAME_HEIGHT] = [7.5, 13]; // px of a letter
const CLICK = 4; // px that a click may wander
const SLOW = 45; // ms a frame, above which the picture is coarser while it moves

function evOpacity(ev) {
  return ev === ev ? Math.max(FAINTEST, Math.min(1, ev / FULL_EV)) : FAINTEST;
}

function element(tag, kind, parent) {
  const made = document.createElement(tag);
  made.className = kind;
  parent.append(made);
  return made;
}

export class Pane {
  constructor(parent, viewer) {
    this.viewer = viewer;
    this.root = element("div", "pane", parent);
    this.head = element("div", "pane-head", this.root);
    this.stage = element("div", "stage", this.root);
    this.canvas = element("canvas", "map", this.stage);
    this.spaceCanvas = element("canvas", "space", this.stage);
    this.sliceCanvas = element("canvas", "slices", this.stage);
    this.overlay = new Overlay(element("canvas", "lines", this.stage));
    this.svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.svg.setAttribute("class", "area");
    this.shape = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
    this.svg.append(this.shape);
    this.stage.append(this.svg);
    this.sides = ["L", "R"].map((side) => Object.assign(element("div", "side-mark", this.stage), { textContent: side }));
    this.spaceNames = element("div", "space-names", this.stage);
    this.ring = element("div", "ring picked", this.stage);
    this.cursor = element("div", "ring cursor", this.stage);
    this.tip = element("div", "tip", this.stage);
    this.badge = element("div", "badge", this.stage);
    this.painter = new Painter(this.canvas);
    this.coarse = 1;
    this._listen();
  }

  get ground() { return this.viewer.ground; }

  // What is shown

  /** Colour the picture for {scores, layer, map} and send it to the screen. */
  paint(view, limits, options) {
    Object.assign(this, { view, options });
    const { scores, layer, map } = view;
    const { ground } = this;
    this.style = styleOf(map, scores.meta.names, limits);
    this.root.classList.toggle("in-space", !this.flat && !this.sliced);
    this.root.classList.toggle("in-slices", this.sliced);
    if (this.sliced) return this._paintSlices(scores, map, map === "best" ? "best" : layer, options);
    if (!this.flat) return this._paintSolid(scores, map, map === "best" ? "best" : layer, options);
    const pairs = scores.onMap(ground, map === "best" ? "best" : layer, false, map);
    if (this.pixels?.length !== ground.height * ground.width) this.pixels = new Uint32Array(ground.height * ground.width);
    colourCells(this.pixels, this._curvature(options.theme), ground.cells, pairs, {
      style: this.style, colours: this._colours(scores), opacity: this._opacity(ground, scores, options), grey: options.theme.negative, threshold: options.threshold,
      width: ground.width,
    });
    this.painter.set(ground.width, ground.height, this.pixels);
    return this.drawSoon();
  }

  get flat() { return this.viewer.shape === "flat"; }

  get sliced() { return this.viewer.shape === "slices"; }

  /** Colour the voxels of the grid; what has no value is grey. */
  _paintSlices(scores, map, layer, options) {
    if (this.slices?.ground !== this.ground) this.slices = new Slices(this.sliceCanvas, this.ground);
    const { cells } = this.slices;
    const [sulcus, gyrus] = options.theme.curvature;
    const under = new Uint32Array(cells.n).fill(greyBetween(sulcus, gyrus, 0.5));
    this.sliceColours = new Uint32Array(cells.n);
    colourCells(this.sliceColours, under, cells.all, scores.onMap(cells, layer, false, map), {
      style: this.style, colours: this._colours(scores), opacity: this._opacity(cells, scores, options), grey: options.theme.negative, threshold: options.threshold,
    });
    this.drawSoon();
  }

  /** The voxel at the crosshairs. */
  get crossed() { return this.viewer.picked ?? this.slices.middle; }

  /** Colour the surface in space. */
  _paintSolid(scores, map, layer, options) {
    const { solid, shape } = this.viewer;
    this.space ??= new SolidView(this.spaceCanvas);
    const byRegion = shape === "regions";
    const [sulcus, gyrus] = options.theme.curvature;
    const under = this._kept("skin", `${solid.id} ${sulcus} ${gyrus}`, () =>
      Uint32Array.from(solid.shade, (x) => greyBetween(sulcus, gyrus, x / 255)));
    this.skin2 = this.skin2?.length === solid.n ? this.skin2 : new Uint32Array(solid.n);
    colourCells(this.skin2, under, solid.all, scores.onMap(solid, layer, byRegion, map), {
      style: this.style, colours: this._colours(scores), opacity: byRegion ? this._regionOpacity(solid, options) : this._opacity(solid, scores, options),
      grey: options.theme.negative, threshold: options.threshold,
    });
    const edge = this._edgeOn(solid, byRegion, options);
    for (const vertex of edge) this.skin2[vertex] = EDGE;
    this.space.setForm(solid, byRegion ? "pial" : shape, byRegion);
    this.space.setColours(this.skin2, byRegion || this.style.mode === "classes");
    this.drawSoon();
  }

  _kept(name, key, make) {
    if (this[name]?.key !== key) this[name] = { key, value: make() };
    return this[name].value;
  }

  _curvature({ curvature }) {
    return this._kept("shade", `${this.ground.id} ${curvature}`, () => curvaturePicture(this.ground, curvature));
  }

  _colours(scores) {
    const { mode } = this.style;
    const rgb = mode === "pair" ? "square" : mode;
    const make = () => opaque(mode === "classes" ? this.viewer.layerColours(scores) : this.ground.luts[rgb]);
    return this._kept("palette", mode === "classes" ? scores.id : `${mode} ${this.ground.id}`, make);
  }

  /** Opacity by cell: less outside the selection, and where little can be explained; null: all are full. */
  _opacity(cells, scores, { byEv, inside, chosen }) {
    if (!byEv && !inside) return null;
    return this._kept("opacity", `${cells.id} ${byEv ? scores.id : ""} ${chosen}`, () => {
      const rows = [inside && Float32Array.from(inside, (x) => (x ? 1 : FADED)), byEv && scores.ev.map(evOpacity)].filter(Boolean);
      const parts = rows.map((row) => cells.toCells([row]));
      return parts.length === 1 ? parts[0] : parts[0].map((x, p) => x * parts[1][p]);
    });
  }

  /** Vertices around the chosen region, or the regions of the AAL view that lie within it. */
  _edgeOn(solid, byRegion, { inside, chosen }) {
    if (!inside) return [];
    return this._kept("edge", `${solid.id} ${byRegion} ${chosen}`, () => {
      const held = byRegion ? solid.regionsWithin(inside) : null;
      return solid.edgeOf((v) => (held ? held.has(solid.region[v]) : inside[solid.leaderOf[v]] === 1));
    });
  }

  /** Opacity by vertex of the AAL view: less outside the regions of which most lies in the selection. */
  _regionOpacity(solid, { inside, chosen }) {
    if (!inside) return null;
    return this._kept("opacity", `${solid.id} regions ${chosen}`, () => {
      const held = solid.regionsWithin(inside);
      return held.size ? Float32Array.from(solid.region, (r) => (held.has(r) ? 1 : FADED)) : null;
    });
  }

  // Where things are

  /** Picture to px of the stage: scale, and where the picture's left top corner lies. */
  transform() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const camera = this.viewer.camera;
    const fit = Math.min(width / this.ground.width, height / this.ground.height);
    const scale = fit * camera.zoom;
    return { scale, left: width / 2 - camera.x * this.ground.width * scale, top: height / 2 - camera.y * this.ground.height * scale };
  }

  toPicture(clientX, clientY) {
    const box = this.stage.getBoundingClientRect();
    const { scale, left, top } = this.transform();
    return [(clientX - box.left - left) / scale - 0.5, (clientY - box.top - top) / scale - 0.5];
  }

  toStage([x, y], { scale, left, top } = this.transform()) {
    return [left + (x + 0.5) * scale, top + (y + 0.5) * scale];
  }

  // Drawing

  drawSoon() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      this.draw();
    });
  }

  draw() {
    if (!this.view || !this.stage.clientWidth) return;
    const now = performance.now();
    const ratio = Math.min(window.devicePixelRatio || 1, 2) / this.coarse;
    const size = [Math.round(this.stage.clientWidth * ratio), Math.round(this.stage.clientHeight * ratio)];
    if (this.sliced) {
      const { clientWidth: width, clientHeight: height } = this.stage;
      this.slices.draw(this.sliceColours, this.crossed, this.options.theme, Math.min(window.devicePixelRatio || 1, 2), width, height);
      this.ring.style.display = "none";
      this.viewer.firstPaint ??= performance.now();
      return undefined;
    }
    if (!this.flat) return this._drawSolid(now, size);
    if (this.canvas.width !== size[0] || this.canvas.height !== size[1]) [this.canvas.width, this.canvas.height] = size;
    const at = this.transform();
    const box = [at.left, at.top, at.left + at.scale * this.ground.width, at.top + at.scale * this.ground.height];
    this.painter.show(box.map((v) => v * ratio));
    this._place(this.ring, this.viewer.picked, at);
    this._area(at);
    this.viewer.firstPaint ??= performance.now();
    if (!this.moving) return this.overlay.draw(this.ground, at, this.options);
    this.overlay.follow(at);
    return this._pace(now);
  }

  _drawSolid(now, size) {
    const { spaceCanvas: canvas, space } = this;
    const { orbit, picked, solid } = this.viewer;
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    space.draw(orbit);
    this._markVertex(this.ring, picked === null ? -1 : solid.leaderOf.indexOf(picked));
    const { middle, side } = space.whole ? space.form.whole : space.form.cortex;
    const { right, up } = axesOf(orbit);
    const scale = space.scaleFor(this.stage.clientWidth, this.stage.clientHeight, orbit.zoom);
    this.sides.forEach((mark, k) => {
      const place = [middle[0] + (k ? 1 : -1) * (side + 12), middle[1], space.form.cortex.middle[2]].map((v, i) => v - middle[i]);
      const [x, y] = [dot(place, right) * scale + this.stage.clientWidth / 2, this.stage.clientHeight / 2 - dot(place, up) * scale];
      mark.style.transform = `translate(${x}px, ${y}px)`;
      mark.style.opacity = Math.abs(right[0]) > 0.35 || Math.abs(up[0]) > 0.35 ? 1 : 0; // seen from the side one hides the other
    });
    this._nameInSpace();
    this.viewer.firstPaint ??= performance.now();
    if (this.moving) this._pace(now);
  }

  /** Names of regions on the surface while it stands still: where it faces the viewer, nothing lies before it, and no other name on it. */
  _nameInSpace() {
    const { solid, orbit, shape } = this.viewer;
    const anchors = this._kept("anchors", `${solid.id} ${this.ground.id}`, () => solid.anchorsOf(this.ground));
    const { clientWidth: width, clientHeight: height } = this.stage;
    const facing = this.moving || shape === "regions" || !this.options.names ? [] : anchors.flatMap((anchor) => {
      const [x, y, toward] = this.space.project(anchor.vertex, orbit, width, height);
      return toward > FACING && this.space.isForemost(anchor.vertex, orbit, width, height) ? [{ ...anchor, at: [x, y], wide: NAME_WIDTH * anchor.text.length }] : [];
    });
    const shown = withoutCollisions(facing, NAME_HEIGHT);
    this.spaceNames.replaceChildren(...shown.map(({ text, at: [x, y] }) => {
      const name = Object.assign(document.createElement("span"), { textContent: text });
      name.style.transform = `translate(-50%, -50%) translate(${x}px, ${y}px)`;
      return name;
    }));
  }

  _markVertex(mark, vertex) {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const [x, y, facing] = vertex < 0 ? [0, 0, -1] : this.space.project(vertex, this.viewer.orbit, width, height);
    mark.style.display = facing > 0 ? "block" : "none";
    mark.style.transform = `translate(${x}px, ${y}px)`;
  }

  /** Coarser pictures while it moves, where frames come slowly. */
  _pace(now) {
    if (this.lastFrame && now - this.lastFrame < 400) {
      this.pace = 0.7 * (this.pace ?? 16) + 0.3 * (now - this.lastFrame);
      if (this.pace > SLOW) this.coarse = 2;
    }
    this.lastFrame = now;
  }

  /** Say that the map moves: outlines follow, and are drawn again when it stands still. */
  move() {
    this.moving = true;
    clearTimeout(this.settling);
    this.settling = setTimeout(() => {
      [this.moving, this.coarse, this.lastFrame] = [false, 1, null];
      this.drawSoon();
    }, SETTLE);
    this.drawSoon();
  }

  _place(mark, voxel, at = this.transform()) {
    const place = voxel === null ? null : this.ground.place(voxel);
    mark.style.display = place ? "block" : "none";
    if (!place) return;
    const [x, y] = this.toStage(place, at);
    mark.style.transform = `translate(${x}px, ${y}px)`;
  }

  _area(at) {
    const polygon = this.drawing ?? this.viewer.polygon;
    this.shape.setAttribute("points", (polygon ?? []).map((p) => this.toStage(p, at).join(",")).join(" "));
  }

  // Under the pointer

  /** Voxel under a pointer event, -1 where there is none; in space `this.vertex` is what it was found by. */
  under(event) {
    if (!this.ground || !this.view) return -1;
    if (this.flat) return this.ground.voxelAt(...this.toPicture(event.clientX, event.clientY));
    const box = this.stage.getBoundingClientRect();
    if (this.sliced) return this.slices.voxelAt(event.clientX - box.left, event.clientY - box.top, this.crossed, box.width, box.height, event.type === "pointerup");
    this.vertex = this.space.vertexAt(event.clientX - box.left, event.clientY - box.top, this.viewer.orbit, box.width, box.height);
    return this.vertex < 0 ? -1 : this.viewer.solid.leaderOf[this.vertex];
  }

  /** Read-out of a voxel at a place on screen; voxel -1 hides it. Other panes show where it lies. */
  showTip(voxel, clientX, clientY) {
    if (voxel < 0) {
      this.tip.style.display = "none";
      return;
    }
    this.tip.textContent = this.viewer.shape === "regions" ? regionReadOut(this.viewer.solid, this.vertex, this.view) : readOut(this.ground, voxel, this.view);
    this.tip.style.display = "block";
    const { clientWidth: width, clientHeight: height } = this.stage;
    const box = this.viewer.boxOf(this.stage);
    const [x, y] = [clientX - box.left, clientY - box.top];
    this.tip.style.transform =
      `translate(${x > width / 2 ? `calc(${x - 14}px - 100%)` : `${x + 14}px`}, ${y > height / 2 ? `calc(${y - 10}px - 100%)` : `${y + 10}px`})`;
  }

  showCursor(voxel) {
    if (this.sliced) return undefined;
    if (!this.flat) return this._markVertex(this.cursor, voxel < 0 ? -1 : this.viewer.solid.leaderOf.indexOf(voxel));
    return this._place(this.cursor, voxel < 0 ? null : voxel);
  }

  _listen() {
    const { stage } = this;
    stage.addEventListener("pointerdown", (event) => this._down(event));
    stage.addEventListener("pointermove", (event) => this._moveTo(event));
    stage.addEventListener("pointerup", (event) => this._up(event));
    stage.addEventListener("pointercancel", () => { this.held = this.drawing = null; });
    stage.addEventListener("pointerleave", () => this.viewer.hover(this, -1));
    stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.viewer.zoomAt(this, event.clientX, event.clientY, Math.exp(-event.deltaY * 0.0015));
    }, { passive: false });
    stage.addEventListener("dblclick", () => this.viewer.resetCamera());
    for (const canvas of [this.canvas, this.spaceCanvas]) {
      canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
      canvas.addEventListener("webglcontextrestored", () => this._restore());
    }
  }

  _restore() {
    this.painter.start();
    this.space?.start();
    this.viewer.repaint();
  }

  _down(event) {
    if (event.button !== 0) return;
    this.stage.setPointerCapture?.(event.pointerId);
    this.viewer.root.focus({ preventScroll: true });
    this.held = { x: event.clientX, y: event.clientY, at: { ...this.viewer.camera }, orbit: { ...this.viewer.orbit }, moved: false };
    if (this.flat && this.viewer.tool !== "pan") this.drawing = [this.toPicture(event.clientX, event.clientY)];
  }

  _moveTo(event) {
    const { held } = this;
    if (!held) {
      this.viewer.hover(this, this.under(event), event);
      return;
    }
    held.moved ||= Math.hypot(event.clientX - held.x, event.clientY - held.y) > CLICK;
    if (!held.moved) return;
    if (this.sliced) return;
    if (!this.flat) this.viewer.turnBy(held, event.clientX - held.x, event.clientY - held.y);
    else if (this.drawing) this._extend(this.toPicture(event.clientX, event.clientY));
    else this.viewer.panTo(this, held, event.clientX - held.x, event.clientY - held.y);
  }

  _extend([x, y]) {
    const [x0, y0] = this.drawing[0];
    if (this.viewer.tool === "box") this.drawing = [[x0, y0], [x, y0], [x, y], [x0, y]];
    else this.drawing.push([x, y]);
    this._area(this.transform());
  }

  _up(event) {
    const { held, drawing } = this;
    this.held = this.drawing = null;
    if (!held) return;
    if (held.moved && drawing) this.viewer.select(drawing.length > 2 ? simplified(drawing) : null);
    else if (!held.moved) this._click(this.under(event));
  }

  /** A click keeps a voxel; on the AAL view a region. */
  _click(voxel) {
    if (this.viewer.shape === "regions") this.viewer.pickRegion(this.vertex);
    else this.viewer.pick(voxel);
  }
}
