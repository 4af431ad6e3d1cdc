// Three orthogonal slices through the kept voxel of a grid, with crosshairs; a click moves all three.

import { MISSING } from "./ground.js";
import { number } from "./scores.js";

const GAP = 18; // px between the slices
const TITLE = 22; // px below a slice
const NEAREST = 5; // cells within which a click finds a voxel
// Name, axis to the right, axis upwards, axis through the slice; in mm: 0 x, 1 y, 2 z.
const VIEWS = [["sagittal", 1, 2, 0], ["coronal", 0, 2, 1], ["axial", 0, 1, 2]];

/** Voxels that speak for themselves, where maps show means over voxels. */
export class VoxelCells {
  constructor(ground) {
    Object.assign(this, { id: `${ground.id} voxels`, n: ground.nVoxels });
    this.all = Uint32Array.from({ length: this.n }, (_, v) => v);
    this.leaderOf = this.all;
  }

  toCells(rows) {
    const k = rows.length;
    const values = new Float32Array(this.n * k).fill(MISSING);
    for (let v = 0; v < this.n; v++) {
      if (rows[0][v] === rows[0][v]) for (let i = 0; i < k; i++) values[v * k + i] = rows[i][v];
    }
    return values;
  }

  leadingCells(a, b) { return this.toCells([a, b]); }
}

/** Axes of a grid in space: for x, y, z the axis of the index, its direction and the size of a voxel in mm. */
export function gridAxes(affine) {
  const left = [0, 1, 2];
  return [0, 1, 2].map((r) => {
    if (!affine) return { axis: r, sign: 1, size: 1 };
    const axis = left.reduce((best, k) => (Math.abs(affine[r][k]) > Math.abs(affine[r][best]) ? k : best), left[0]);
    left.splice(left.indexOf(axis), 1);
    return { axis, sign: Math.sign(affine[r][axis]) || 1, size: Math.hypot(...[0, 1, 2].map((q) => affine[q][axis])) || 1 };
  });
}

export class Slices {
  constructor(canvas, ground) {
    Object.assign(this, { canvas, ground, cells: new VoxelCells(ground), axes: gridAxes(ground.meta.affine) });
    this.low = [Infinity, Infinity, Infinity];
    const high = [-Infinity, -Infinity, -Infinity];
    for (let i = 0; i < ground.ijk.length; i++) {
      this.low[i % 3] = Math.min(this.low[i % 3], ground.ijk[i]);
      high[i % 3] = Math.max(high[i % 3], ground.ijk[i]);
    }
    this.extent = high.map((h, k) => h - this.low[k] + 1);
    this.voxels = new Int32Array(this.extent[0] * this.extent[1] * this.extent[2]).fill(-1);
    for (let v = 0; v < ground.nVoxels; v++) this.voxels[this._place(this.index(v))] = v;
    this.middle = this._nearest(this.extent.map((n) => Math.floor(n / 2)), null, 1e9);
  }

  /** Index of a voxel within the box around all voxels. */
  index(voxel) { return [0, 1, 2].map((k) => this.ground.ijk[3 * voxel + k] - this.low[k]); }

  _place([i, j, k]) { return (i * this.extent[1] + j) * this.extent[2] + k; }

  /** The voxel nearest to an index, within the slice across `through` if one is named; -1 beyond `far` cells. */
  _nearest(index, through, far) {
    let best = -1, least = far * far;
    for (let v = 0; v < this.ground.nVoxels; v++) {
      const at = this.index(v);
      if (through !== null && at[through] !== index[through]) continue;
      const distance = at.reduce((sum, x, k) => sum + (x - index[k]) ** 2, 0);
      if (distance <= least) [least, best] = [distance, v];
    }
    return best;
  }

  /** Where the three slices lie on a stage of this size: in a row or, where they are larger so, the axial one below. */
  layout(width, height) {
    const mm = this.axes.map(({ axis, size }) => this.extent[axis] * size);
    const [x, y, z] = mm;
    const fit = (wide, tall, columns, rows) => Math.min((width - (columns + 1) * GAP) / wide, (height - rows * (TITLE + GAP)) / tall);
    const [row, square] = [fit(2 * x + y, Math.max(y, z), 3, 1), fit(x + y, y + z, 2, 2)];
    const scale = Math.max(0.1, row, square);
    const box = ([name, h, v, through], left, top) => ({ name, h, v, through, left, top, width: mm[h] * scale, height: mm[v] * scale });
    const [sagittal, coronal, axial] = VIEWS;
    if (row >= square) {
      const left = (width - (2 * x + y) * scale - 2 * GAP) / 2;
      const tall = Math.max(y, z) * scale;
      const top = (h) => (height - TITLE - tall) / 2 + (tall - h * scale) / 2;
      return [box(sagittal, left, top(z)), box(coronal, left + y * scale + GAP, top(z)), box(axial, left + (x + y) * scale + 2 * GAP, top(y))];
    }
    const left = (width - (x + y) * scale - GAP) / 2;
    const top = (height - (y + z) * scale - 2 * TITLE - GAP) / 2;
    const below = top + z * scale + TITLE + GAP;
    return [box(sagittal, left, top), box(coronal, left + y * scale + GAP, top), box(axial, left + y * scale + GAP, below)];
  }

  /** Column and row of an index on a slice; the row counts from the top. */
  _cell(box, index) {
    const [h, v] = [this.axes[box.h], this.axes[box.v]];
    const column = h.sign > 0 ? index[h.axis] : this.extent[h.axis] - 1 - index[h.axis];
    const row = v.sign > 0 ? this.extent[v.axis] - 1 - index[v.axis] : index[v.axis];
    return [column, row];
  }

  /** Draw with colours by voxel (Uint32Array) for the voxel at the crosshairs. */
  draw(colours, voxel, theme, ratio, width, height) {
    const context = this.canvas.getContext("2d");
    [this.canvas.width, this.canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.imageSmoothingEnabled = false;
    const index = this.index(voxel);
    for (const box of this.layout(width, height)) {
      context.drawImage(this._sheet(box, colours, index), box.left, box.top, box.width, box.height);
      this._crosshair(context, box, index, theme);
    }
  }

  _sheet(box, colours, index) {
    const [h, v] = [this.axes[box.h].axis, this.axes[box.v].axis];
    const sheet = document.createElement("canvas");
    [sheet.width, sheet.height] = [this.extent[h], this.extent[v]];
    const pixels = new Uint32Array(sheet.width * sheet.height);
    const at = [...index];
    for (at[h] = 0; at[h] < this.extent[h]; at[h]++) {
      for (at[v] = 0; at[v] < this.extent[v]; at[v]++) {
        const voxel = this.voxels[this._place(at)];
        const [column, row] = this._cell(box, at);
        if (voxel >= 0) pixels[row * sheet.width + column] = colours[voxel];
      }
    }
    sheet.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), sheet.width, sheet.height), 0, 0);
    return sheet;
  }

  _crosshair(context, box, index, theme) {
    const [column, row] = this._cell(box, index);
    const x = box.left + ((column + 0.5) / this.extent[this.axes[box.h].axis]) * box.width;
    const y = box.top + ((row + 0.5) / this.extent[this.axes[box.v].axis]) * box.height;
    for (const [colour, wide] of [[theme.background, 3], [theme.text, 1]]) {
      [context.strokeStyle, context.lineWidth] = [colour, wide];
      context.beginPath();
      for (const [x0, y0, x1, y1] of [[x, box.top, x, y - 8], [x, y + 8, x, box.top + box.height], [box.left, y, x - 8, y], [x + 8, y, box.left + box.width, y]]) {
        context.moveTo(x0, y0);
        context.lineTo(x1, y1);
      }
      context.stroke();
    }
    [context.fillStyle, context.textAlign, context.textBaseline] = [theme.text, "center", "top"];
    context.font = `13px ${getComputedStyle(this.canvas).fontFamily}`;
    context.fillText(`${box.name}, ${this._level(box, index)}`, box.left + box.width / 2, box.top + box.height + 6);
    if (box.h !== 0 || !this.ground.meta.affine) return;
    context.font = `700 17px ${getComputedStyle(this.canvas).fontFamily}`;
    context.fillText("L", box.left + 8, box.top + box.height + 3);
    context.fillText("R", box.left + box.width - 8, box.top + box.height + 3);
  }

  /** "y = −29 mm", or the index where the grid has no affine. */
  _level(box, index) {
    const { affine } = this.ground.meta;
    const full = index.map((x, k) => x + this.low[k]);
    if (!affine) return `slice ${full[this.axes[box.through].axis]}`;
    const row = affine[box.through];
    return `${"xyz"[box.through]} = ${number(Math.round(row[0] * full[0] + row[1] * full[1] + row[2] * full[2] + row[3]), 4)} mm`;
  }

  /** Voxel under a point of the stage while the crosshairs are at `voxel`; `near`: also the nearest one in the slice. */
  voxelAt(x, y, voxel, width, height, near) {
    const box = this.layout(width, height).find((b) => x >= b.left && x < b.left + b.width && y >= b.top && y < b.top + b.height);
    if (!box) return -1;
    const [h, v] = [this.axes[box.h], this.axes[box.v]];
    const column = Math.floor(((x - box.left) / box.width) * this.extent[h.axis]);
    const row = Math.floor(((y - box.top) / box.height) * this.extent[v.axis]);
    const index = this.index(voxel);
    index[h.axis] = h.sign > 0 ? column : this.extent[h.axis] - 1 - column;
    index[v.axis] = v.sign > 0 ? this.extent[v.axis] - 1 - row : row;
    const there = this.voxels[this._place(index)];
    return there >= 0 || !near ? there : this._nearest(index, this.axes[box.through].axis, NEAREST);
  }
}
