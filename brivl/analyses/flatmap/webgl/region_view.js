// The page Regions: rows with bars beside a map of the cortex coloured by region, linked by the pointer.

import { colourCells, curvaturePicture, lowValueOpacity, opaque } from "./colour.js";
import { MISSING } from "./ground.js";
import { Overlay } from "./overlay.js";
import { RegionRows } from "./region_rows.js";
import { number } from "./scores.js";

const LEFT_OUT = 0.3; // opacity of regions that are not among the rows shown
const SCALE_WIDTH = 190; // px

function part(tag, kind, parent, text) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  parent?.append(made);
  return made;
}

/** A map of the cortex with one colour for each region. */
export class RegionMap {
  constructor(parent, tell) {
    this.root = part("div", "region-map", parent);
    const bar = part("div", "map-choice", this.root);
    this.kindPicker = part("select", "", bar);
    this.kindPicker.setAttribute("aria-label", "Map");
    this.kindPicker.addEventListener("change", () => tell.kind(this.kindPicker.value));
    this.stage = part("div", "stage", this.root);
    this.canvas = part("canvas", "region-colours", this.stage);
    this.overlay = new Overlay(part("canvas", "lines", this.stage));
    this.badge = part("div", "badge", this.stage);
    this.scale = part("div", "region-scale", this.root);
    this.note = part("p", "scale-note", this.root);
    this.stage.addEventListener("pointermove", (event) => tell.hover(this.regionAt(event), event, true));
    this.stage.addEventListener("pointerleave", () => tell.hover(null));
    this.stage.addEventListener("click", (event) => tell.pick(this.regionAt(event)));
  }

  /** Show `data`; `ground` and `members` (voxels of each region) are null where there is no map. */
  set(data, ground, members) {
    Object.assign(this, { data, ground, members });
    this.stage.hidden = this.scale.hidden = this.kindPicker.hidden = !ground;
    this.note.textContent = data.map_note;
    this.badge.textContent = data.simulated ? "simulated" : "";
    if (!ground) return;
    this.kindPicker.replaceChildren(...data.kinds.map(({ key, title }) => new Option(title, key)));
    this.stage.style.aspectRatio = `${ground.width} / ${ground.height}`;
    if (this.placed !== `${ground.id} ${members.id}`) this._place();
    this.placed = `${ground.id} ${members.id}`;
  }

  /** Region by voxel: the smallest of those that hold it, so that no region lies hidden below a larger one. */
  _smallest() {
    const of = new Int32Array(this.ground.nVoxels).fill(-1);
    const order = this.data.regions.map((_, r) => r).toSorted((p, q) => this.voxelsOf(q).length - this.voxelsOf(p).length);
    for (const r of order) for (const voxel of this.voxelsOf(r)) of[voxel] = r;
    return of;
  }

  /** Region by cell: of the voxel with the largest weight among those that lie in a region, -1 where none does. */
  _place() {
    const { starts, indices, weights, n, cells, width, height } = this.ground;
    const regionOf = this._smallest();
    this.regionOfCell = new Int32Array(n).fill(-1);
    this.regionOfPixel = new Int32Array(width * height).fill(-1);
    for (let p = 0; p < n; p++) {
      let most = 0;
      for (let j = starts[p]; j < starts[p + 1]; j++) {
        if (weights[j] > most && regionOf[indices[j]] >= 0) [most, this.regionOfCell[p]] = [weights[j], regionOf[indices[j]]];
      }
      this.regionOfPixel[cells[p]] = this.regionOfCell[p];
    }
  }

  voxelsOf(r) {
    const { offsets, voxels } = this.members.arrays;
    return voxels.subarray(offsets[r], offsets[r + 1]);
  }

  /** Colour the map by a kind of score; regions that are not in `shown` (a Set of names) are pale. */
  paint(kind, shown) {
    if (!this.ground) return;
    const { ground, data } = this;
    this.kind = data.kinds.find((k) => k.key === kind) ?? data.kinds[0];
    this.kindPicker.value = this.kind.key;
    const pairs = new Float32Array(2 * ground.n).fill(MISSING);
    const opacity = new Float32Array(ground.n).fill(1);
    const visible = data.regions.map((name) => shown.has(name));
    for (let p = 0; p < ground.n; p++) {
      const r = this.regionOfCell[p];
      const value = r < 0 ? null : this.kind.values[r];
      if (value === null || value === undefined) continue;
      [pairs[2 * p], pairs[2 * p + 1]] = [value, 0];
      if (!visible[r]) opacity[p] = LEFT_OUT;
    }
    const style = { mode: this.kind.mode, mixOf: [1, 0], limits: this.kind.limits };
    this.pixels = new Uint32Array(ground.height * ground.width);
    colourCells(this.pixels, curvaturePicture(ground, data.theme.curvature), ground.cells, pairs, {
      style, colours: opaque(ground.luts[style.mode]), opacity, grey: data.theme.negative, width: ground.width,
    });
    this._legend();
    this.draw();
  }

  /** Scale and place of the whole map on the stage. */
  transform() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const scale = Math.min(width / this.ground.width, height / this.ground.height);
    return { scale, left: (width - this.ground.width * scale) / 2, top: (height - this.ground.height * scale) / 2 };
  }

  draw() {
    if (!this.ground || !this.pixels || !this.stage.clientWidth) return;
    const { ground, canvas } = this;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    [canvas.width, canvas.height] = [Math.round(this.stage.clientWidth * ratio), Math.round(this.stage.clientHeight * ratio)];
    const image = new ImageData(new Uint8ClampedArray(this.pixels.buffer), ground.width, ground.height);
    const sheet = (this.sheet ??= document.createElement("canvas"));
    [sheet.width, sheet.height] = [ground.width, ground.height];
    sheet.getContext("2d").putImageData(image, 0, 0);
    const { scale, left, top } = this.transform();
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(sheet, left * ratio, top * ratio, ground.width * scale * ratio, ground.height * scale * ratio);
    this.light(this.lit ?? null);
  }

  /** Outline a region by name. */
  light(region) {
    this.lit = region;
    if (!this.ground || !this.stage.clientWidth) return;
    const r = this.data.regions.indexOf(region);
    const inside = r < 0 ? null : new Uint8Array(this.ground.nVoxels);
    if (inside) for (const voxel of this.voxelsOf(r)) inside[voxel] = 1;
    this.overlay.draw(this.ground, this.transform(), {
      names: this.data.names_on_map, region, border: inside && this.ground.borderOf(inside), theme: this.data.theme,
    });
  }

  /** Region under the pointer, null where there is none. */
  regionAt(event) {
    if (!this.ground) return null;
    const box = this.stage.getBoundingClientRect();
    const { scale, left, top } = this.transform();
    const [x, y] = [Math.floor((event.clientX - box.left - left) / scale), Math.floor((event.clientY - box.top - top) / scale)];
    const inside = x >= 0 && y >= 0 && x < this.ground.width && y < this.ground.height;
    return inside ? this.data.regions[this.regionOfPixel[y * this.ground.width + x]] ?? null : null;
  }

  _legend() {
    const { mode, limits: [low, high], title } = this.kind;
    const lut = this.ground.luts[mode];
    const grey = 255 * (this.data.theme.curvature[0] + this.data.theme.curvature[1]) / 2;
    const canvas = part("canvas");
    [canvas.width, canvas.height] = [256, 1];
    const image = canvas.getContext("2d").createImageData(256, 1);
    for (let i = 0; i < 256; i++) {
      const alpha = lowValueOpacity(mode === "diverging" ? Math.abs(2 * i / 255 - 1) : i / 255, 1);
      image.data.set([...[0, 1, 2].map((k) => alpha * lut[3 * i + k] + (1 - alpha) * grey), 255], 4 * i);
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    canvas.style.width = `${SCALE_WIDTH}px`;
    const line = part("div", "region-ticks");
    line.style.width = `${SCALE_WIDTH}px`;
    for (const value of [low, (low + high) / 2, high]) part("span", "", line, number(value));
    this.scale.replaceChildren(part("div", "scale-title", null, title), canvas, line);
  }
}

/** Rows and map. */
export class RegionView {
  constructor(parent) {
    this.root = part("div", "region-view", parent);
    const left = part("div", "region-left", this.root);
    const bar = part("div", "region-bar", left);
    this.search = part("input", "", bar);
    Object.assign(this.search, { type: "search", placeholder: "Search regions" });
    this.search.setAttribute("aria-label", "Search regions");
    this.key = part("div", "region-key", bar);
    const tell = {
      hover: (region, event, into = false) => this.light(region, event, into),
      pick: (region) => this.pick(region),
      kind: (kind) => { this.kind = kind; this.refresh(); this.settle(); },
    };
    this.rows = new RegionRows(left, tell);
    this.map = new RegionMap(this.root, tell);
    this.tip = part("div", "tip", this.root);
    this.search.addEventListener("input", () => this.refresh());
    this.watch = new ResizeObserver(() => this.map.draw());
    this.watch.observe(this.map.stage);
    this.root.brivl = this; // for tests
  }

  update(data, ground, members, tell) {
    const drawn = JSON.stringify(data.rows) + data.theme.text;
    Object.assign(this, { data, tell, kind: data.kind_of_map, chosen: data.chosen });
    for (const [name, value] of Object.entries(data.theme)) if (typeof value === "string") this.root.style.setProperty(`--bv-${name}`, value);
    this.root.style.setProperty("--bv-back", data.theme.background);
    this.root.classList.toggle("dark", data.theme.dark);
    this.root.classList.toggle("mapless", !ground);
    if (this.drawn !== drawn) this.rows.set(data);
    this.drawn = drawn;
    this._key();
    this.map.set(data, ground, members);
    this.refresh();
  }

  /** Regions that Python lists and whose name has what is searched for. */
  shown() {
    const words = this.search.value.trim().toLowerCase();
    const has = ({ region, short, lobe }) => !words || [region, short, lobe].some((text) => text.toLowerCase().includes(words));
    return new Set(this.data.rows.filter((row) => row.listed && has(row)).map(({ region }) => region));
  }

  refresh() {
    const shown = this.shown();
    this.rows.filter(shown);
    this.rows.choose(this.chosen);
    this.map.paint(this.kind, shown);
    this.light(null);
  }

  /** Light a region up in both; without one, the chosen region keeps its outline. */
  light(region, event, into = false) {
    if (region !== this.hovered) {
      this.hovered = region;
      this.rows.light(region, into);
      this.map.light(region ?? this.chosen);
    }
    const row = region === null || !event ? null : this.data.rows.find((each) => each.region === region);
    this.tip.style.display = row ? "block" : "none";
    if (!row) return;
    this.tip.textContent = row.spoken.replaceAll("; ", "\n");
    const box = this.root.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    this.tip.style.transform = `translate(${x > box.width / 2 ? `calc(${x - 14}px - 100%)` : `${x + 14}px`}, ${y > box.height / 2 ? `calc(${y - 10}px - 100%)` : `${y + 10}px`})`;
  }

  /** A click chooses a region for all pages; a second one, or one beside all regions, lets it go. */
  pick(region) {
    this.chosen = region === this.chosen ? null : region;
    this.rows.choose(this.chosen);
    this.settle();
  }

  settle() { this.tell({ region: this.chosen, map: this.kind }); }

  _key() {
    const { names, has_unique: hasUnique, has_dots: hasDots } = this.data;
    const entries = [["bar-a", names[0]], ["bar-b", names[1]], ["joint-mark", "joint"]];
    if (hasUnique) entries.push(["unique-mark", "unique"]);
    if (hasDots) entries.push(["subject-mark", "subject"]);
    this.key.replaceChildren(...entries.map(([kind, text]) => {
      const entry = part("span", "entry");
      part("i", kind, entry);
      entry.append(text);
      return entry;
    }));
  }
}
