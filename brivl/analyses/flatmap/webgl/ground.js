// What does not change with layer or model: which voxels a pixel shows, curvature, outlines, regions, places.

import { bitAt } from "./bytes.js";

export const MISSING = Math.fround(-1e30); // of a cell: no voxel has a value here
const LEAST_SHARE = 0.25; // as in brivl/core/flatmap/geometry.py
const OUTLINE_UNIT = 8; // parts of a pixel in which outlines are given
const NO_PLACE = 65535;

/** Cells (pixels or vertices) that each show a weighted mean of voxels. */
export class Cells {
  constructor({ counts, indices, weights }) {
    this.starts = new Uint32Array(counts.length + 1);
    for (let i = 0; i < counts.length; i++) this.starts[i + 1] = this.starts[i] + counts[i];
    this.indices = indices;
    this.weights = weights;
    this.signed = weights.some((w) => w < 0);
    this.n = counts.length;
  }

  /** Voxel with the largest weight by cell, -1 where there is none. */
  leaders() {
    const leaders = new Int32Array(this.n).fill(-1);
    for (let p = 0; p < this.n; p++) {
      let most = 0;
      for (let j = this.starts[p]; j < this.starts[p + 1]; j++) {
        if (this.weights[j] > 0 && this.weights[j] >= most) [most, leaders[p]] = [this.weights[j], this.indices[j]];
      }
    }
    return leaders;
  }

  /**
   * One or two rows of voxel values by cell: weighted mean over the voxels with a value, MISSING without any.
   * Two rows share their missing voxels. Float32Array (n_cells * rows), rows side by side in each cell.
   */
  toCells(rows) {
    const [a, b] = [rows[0], rows[1] ?? rows[0]];
    const k = rows.length;
    const { n, starts, indices, weights, signed } = this;
    const values = new Float32Array(n * k).fill(MISSING);
    for (let p = 0; p < n; p++) {
      let total = 0, size = 0, x = 0, y = 0;
      for (let j = starts[p]; j < starts[p + 1]; j++) {
        const value = a[indices[j]];
        if (value === value) {
          const w = weights[j];
          total += w;
          size += w < 0 ? -w : w;
          x += w * value;
          y += w * b[indices[j]];
        }
      }
      if (total > 0 && !(signed && total <= LEAST_SHARE * size)) {
        values[p * k] = x / total;
        if (k === 2) values[p * 2 + 1] = y / total;
      }
    }
    return values;
  }

  /** The voxel with the largest weight of each cell speaks for it: pairs [a, b] by cell, MISSING where a is NaN. */
  leadingCells(a, b) {
    const values = new Float32Array(this.n * 2).fill(MISSING);
    for (let p = 0; p < this.n; p++) {
      const v = this.leaderOf[p];
      if (v >= 0 && a[v] === a[v]) [values[2 * p], values[2 * p + 1]] = [a[v], b[v]];
    }
    return values;
  }
}

export class Ground extends Cells {
  constructor({ id, meta, arrays }) {
    super(arrays);
    Object.assign(this, { id, meta, height: meta.height, width: meta.width, nVoxels: meta.n_voxels });
    this.cells = this._cells(arrays.mask);
    this.background = arrays.background;
    this.centres = arrays.centres;
    this.ijk = arrays.ijk;
    this.isVertex = arrays.is_vertex; // of data on a surface, with coordinates in mm by voxel
    this.mm = arrays.mm;
    this.bits = arrays.regions;
    this.luts = { sequential: arrays.sequential, diverging: arrays.diverging, square: arrays.square };
    this.outlines = this._outlines(arrays.outline_points, arrays.outline_offsets);
    this.leaderOf = this.leaders();
    this.leading = new Int32Array(this.height * this.width).fill(-1);
    this.cells.forEach((cell, p) => { this.leading[cell] = this.leaderOf[p]; });
  }

  _cells(mask) {
    const cells = [];
    for (let i = 0; i < this.height * this.width; i++) if (bitAt(mask, i)) cells.push(i);
    return Uint32Array.from(cells);
  }

  _outlines(points, offsets) {
    return this.meta.outline_names.map((name, k) => ({
      name,
      points: Float32Array.from(points.subarray(2 * offsets[k], 2 * offsets[k + 1]), (x) => x / OUTLINE_UNIT),
    }));
  }

  /** Voxel at picture coordinates (integers at pixel centres), -1 where there is none. */
  voxelAt(x, y) {
    const column = Math.round(x);
    const row = Math.round(y);
    const inside = column >= 0 && row >= 0 && column < this.width && row < this.height;
    return inside ? this.leading[row * this.width + column] : -1;
  }

  /** [x, y] of a voxel's pixel, null for a voxel without one. */
  place(voxel) {
    const x = this.centres[2 * voxel];
    return voxel < 0 || voxel >= this.nVoxels || x === NO_PLACE ? null : [x, this.centres[2 * voxel + 1]];
  }

  /** Names of the regions that hold a voxel; those that only filter are left out. */
  regionsOf(voxel) {
    return this.meta.regions.filter((r, k) => r.named && this.inRegion(k, voxel)).map((r) => r.name);
  }

  inRegion(k, voxel) {
    return bitAt(this.bits, k * this.meta.region_bytes * 8 + voxel) === 1;
  }

  /** Sides of pixels between voxels marked in `inside` and others: x0, y0, x1, y1 of each, pixel centres at integers. */
  borderOf(inside) {
    const { width, height, leading } = this;
    const holds = (x, y) => {
      const v = x < 0 || y < 0 || x >= width || y >= height ? -1 : leading[y * width + x];
      return v >= 0 && inside[v] === 1;
    };
    const sides = [];
    for (const cell of this.cells) {
      const [x, y] = [cell % width, Math.floor(cell / width)];
      if (!holds(x, y)) continue;
      if (!holds(x - 1, y)) sides.push(x - 0.5, y - 0.5, x - 0.5, y + 0.5);
      if (!holds(x + 1, y)) sides.push(x + 0.5, y - 0.5, x + 0.5, y + 0.5);
      if (!holds(x, y - 1)) sides.push(x - 0.5, y - 0.5, x + 0.5, y - 0.5);
      if (!holds(x, y + 1)) sides.push(x - 0.5, y + 0.5, x + 0.5, y + 0.5);
    }
    return Float32Array.from(sides);
  }

  /** Voxels of a region by name, or of a polygon [[x, y], ...] around their pixels; Uint8Array 0 or 1. */
  members({ region, polygon }) {
    const inside = new Uint8Array(this.nVoxels);
    const k = region ? this.meta.regions.findIndex((r) => r.name === region) : -1;
    for (let v = 0; v < this.nVoxels; v++) {
      if (polygon) {
        const x = this.centres[2 * v];
        inside[v] = x !== NO_PLACE && isInside(polygon, x, this.centres[2 * v + 1]) ? 1 : 0;
      } else inside[v] = k >= 0 && this.inRegion(k, v) ? 1 : 0;
    }
    return inside;
  }
}

/** Even-odd rule, as brivl/core/flatmap/geometry.py: points (x, y) of a closed polygon. */
export function isInside(polygon, x, y) {
  let odd = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [ax, ay] = polygon[j];
    const [bx, by] = polygon[i];
    if (ay > y !== by > y) {
      const rise = by === ay ? 1 : by - ay;
      if (x < ax + ((y - ay) * (bx - ax)) / rise) odd = !odd;
    }
  }
  return odd;
}

/** Polygon with at most n points, rounded to whole pixels: what is sent to Python and stands in the URL. */
export function simplified(points, n = 48) {
  const step = Math.max(1, points.length / n);
  const kept = [];
  for (let i = 0; i < points.length; i += step) {
    const [x, y] = points[Math.floor(i)].map(Math.round);
    const last = kept[kept.length - 1];
    if (!last || last[0] !== x || last[1] !== y) kept.push([x, y]);
  }
  return kept;
}
