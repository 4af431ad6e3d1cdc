// Split R² of both models for every cached layer of one question, and what is worked out from them.

import { fromHalf } from "./bytes.js";
import { MISSING } from "./ground.js";

const MOST_CELLS = 16; // maps by cell
export const PARTS = ["unique_a", "unique_b", "shared"];

/** R² of each model alone, by layer. */
export class Alone {
  constructor({ id, meta, arrays }) {
    Object.assign(this, { id, layers: meta.layers, nVoxels: meta.n_voxels });
    this.bits = { a: arrays.a, b: arrays.b };
    this.kept = new Map();
  }

  /** {a, b} Float32Array by voxel; null for a layer that was not fitted alone. */
  layer(number) {
    const row = this.layers.indexOf(number);
    if (row < 0) return null;
    if (!this.kept.has(number)) {
      const part = (bits) => fromHalf(bits.subarray(row * this.nVoxels, (row + 1) * this.nVoxels));
      this.kept.set(number, { a: part(this.bits.a), b: part(this.bits.b) });
    }
    return this.kept.get(number);
  }
}

export class Scores {
  constructor({ id, meta, arrays }) {
    Object.assign(this, { id, meta, layers: meta.layers, nVoxels: meta.n_voxels });
    this.bits = { a: arrays.a, b: arrays.b };
    this.ev = arrays.ev ? fromHalf(arrays.ev) : null;
    this.kept = new Map();
    this.cells = new Map();
    this.best = null;
  }

  /** {a, b} Float32Array by voxel, NaN where not fitted; null for a layer that is not there. */
  layer(number) {
    const row = this.layers.indexOf(number);
    if (row < 0) return null;
    if (!this.kept.has(number)) {
      const part = (bits) => fromHalf(bits.subarray(row * this.nVoxels, (row + 1) * this.nVoxels));
      this.kept.set(number, { a: part(this.bits.a), b: part(this.bits.b) });
    }
    return this.kept.get(number);
  }

  /**
   * {a, b} by voxel that a kind of map is made of: split R², or for a part the two whose difference it is; null where
   * the models were not fitted alone at this layer.
   */
  pairOf(kind, layer) {
    const split = this.layer(layer);
    if (!PARTS.includes(kind)) return split;
    const alone = this.alone?.layer(layer);
    if (!alone) return null;
    const joint = split.a.map((a, v) => a + split.b[v]);
    if (kind === "shared") return { a: alone.a.map((a, v) => a + alone.b[v]), b: joint };
    return { a: joint, b: kind === "unique_a" ? alone.b : alone.a };
  }

  /** Value of a part at a voxel, NaN where it is not known. */
  part(kind, layer, voxel) {
    const split = this.layer(layer);
    const alone = this.alone?.layer(layer);
    if (!alone) return NaN;
    const joint = split.a[voxel] + split.b[voxel];
    if (kind === "shared") return alone.a[voxel] + alone.b[voxel] - joint;
    return joint - (kind === "unique_a" ? alone.b : alone.a)[voxel];
  }

  /** Pairs (a, b) by cell of a map at a layer, or (place, margin) for "best"; byRegion: means over AAL regions. */
  onMap(ground, layer, byRegion = false, kind = "") {
    const part = PARTS.includes(kind) ? `${kind} ${this.alone?.id}` : "";
    const key = `${ground.id} ${layer} ${byRegion} ${part}`;
    if (part && !this.cells.has(key) && !this.alone?.layer(layer)) return new Float32Array(2 * ground.n).fill(MISSING);
    if (byRegion && !this.cells.has(key)) this.cells.set(key, ground.byRegion(this, layer, kind));
    if (!this.cells.has(key)) {
      const { a, b } = layer === "best" ? {} : this.pairOf(kind, layer);
      const best = layer === "best" ? this.bestLayer() : null;
      this.cells.set(key, best ? ground.leadingCells(best.place, best.margin) : ground.toCells([a, b]));
      for (const old of [...this.cells.keys()].slice(0, Math.max(0, this.cells.size - MOST_CELLS))) this.cells.delete(old);
    }
    return this.cells.get(key);
  }

  nearestLayer(number) {
    return this.layers.reduce((best, l) => (Math.abs(l - number) < Math.abs(best - number) ? l : best), this.layers[0]);
  }

  /** [{layer, a, b}] of one voxel, or the mean over the voxels marked in `inside`. */
  curve(voxel, inside = null) {
    return this.layers.map((layer) => {
      const { a, b } = this.layer(layer);
      return inside ? { layer, a: meanOf(a, inside), b: meanOf(b, inside) } : { layer, a: a[voxel], b: b[voxel] };
    });
  }

  /**
   * Layer with the highest joint R² by voxel (1-based place in `layers`, NaN where none is positive), and how far it
   * stands above the mean of the other layers, as a share of its own R², 0..1.
   */
  bestLayer() {
    if (this.best) return this.best;
    const place = new Float32Array(this.nVoxels).fill(NaN);
    const margin = new Float32Array(this.nVoxels).fill(NaN);
    const all = this.layers.map((l) => this.layer(l));
    for (let v = 0; v < this.nVoxels; v++) {
      let most = 0, at = -1, sum = 0, n = 0;
      for (let l = 0; l < all.length; l++) {
        const joint = all[l].a[v] + all[l].b[v];
        if (joint !== joint) continue;
        sum += joint;
        n += 1;
        if (joint > most) [most, at] = [joint, l];
      }
      if (at < 0) continue;
      place[v] = at + 1;
      margin[v] = n > 1 ? Math.min(1, Math.max(0, (most - (sum - most) / (n - 1)) / most)) : 1;
    }
    this.best = { place, margin };
    return this.best;
  }
}

function meanOf(values, inside) {
  let sum = 0, n = 0;
  for (let v = 0; v < values.length; v++) if (inside[v] && values[v] === values[v]) { sum += values[v]; n += 1; }
  return n ? sum / n : NaN;
}

/** Value with at most three significant digits and a true minus sign (brivl.core.numbers.number). */
export function number(value, digits = 3) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const text = String(Number(value.toPrecision(digits)));
  return text.replace("-", "−");
}
