// Values of cells to a picture: the same colours as brivl/viz/flatmap/painting.py, mixed over the curvature.

import { MISSING } from "./ground.js";

const FADE_BELOW = 0.2, LOW_OPACITY = 0.2, HATCH_PERIOD = 6, HATCH_WIDTH = 2; // as in brivl/viz/colormaps.py

/** Opacity of a value at this distance from zero: low values fade into the cortex. */
export function lowValueOpacity(strength, limit) {
  return LOW_OPACITY + (1 - LOW_OPACITY) * Math.min(1, Math.max(0, strength / (FADE_BELOW * limit)));
}

/** How a kind of map is coloured; `a` and `b` are the names of the models. */
export function styleOf(kind, [a, b], limits) {
  const one = { mode: "sequential", mixOf: [1, 1], limits: [0, limits.split], scale: "split" };
  const unique = { ...one, mixOf: [1, -1], limits: [0, limits.unique], scale: "unique" };
  return {
    joint: { ...one, limits: [0, limits.joint], title: "Joint R²", scale: "joint" },
    a: { ...one, mixOf: [1, 0], title: `Split R² of ${a}` },
    b: { ...one, mixOf: [0, 1], title: `Split R² of ${b}` },
    pair: { mode: "pair", mixOf: [1, 0], limits: [0, limits.split], title: "Split R²", scale: "split" },
    difference: {
      mode: "diverging", mixOf: [1, -1], limits: [-limits.difference, limits.difference],
      title: `Split R², ${a} − ${b}`, scale: "difference",
    },
    unique_a: { ...unique, title: `Unique R², ${a}` },
    unique_b: { ...unique, title: `Unique R², ${b}` },
    shared: { ...unique, limits: [0, limits.shared], title: "Shared R²", scale: "shared" },
    best: { mode: "classes", mixOf: [1, 0], limits: [0, 1], title: "Best layer (joint R²)", scale: null },
  }[kind];
}

/** Place in n colours of a value between limits; below and above take the ends. */
export function placeOf(value, low, high, n) {
  const share = (value - low) / (high - low);
  return share <= 0 ? 0 : share >= 1 ? n - 1 : Math.round(share * (n - 1));
}

function rgba(r, g, b, a) {
  return ((a << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/** Colours (n, 3) bytes as opaque pixels, each a 32-bit number. */
export function opaque(rgb) {
  const colours = new Uint32Array(rgb.length / 3);
  for (let i = 0; i < colours.length; i++) colours[i] = rgba(rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2], 255);
  return colours;
}

/** Picture of the curvature alone, greys from sulcus to gyrus (0..1); clear outside the cortex. */
export function curvaturePicture({ background, height, width }, [sulcus, gyrus]) {
  const picture = new Uint32Array(height * width);
  if (!background) return picture;
  for (let i = 0; i < picture.length; i++) {
    if (background[i]) picture[i] = greyBetween(sulcus, gyrus, (background[i] - 1) / 254);
  }
  return picture;
}

/** An opaque grey at a share of the way from one to the other (0..1). */
export function greyBetween(sulcus, gyrus, share) {
  const grey = Math.round(255 * (sulcus + (gyrus - sulcus) * share));
  return rgba(grey, grey, grey, 255);
}

/**
 * Lay coloured values over a curvature picture, into `picture` (both Uint32Array by pixel, premultiplied).
 * pairs: two values a cell, MISSING where there is none; opacity: Float32Array by cell or null; grey: of values below 0;
 * threshold: values nearer to zero are left out; width: of the picture, whose values below 0 are hatched, or 0 for a surface, where they are plain grey.
 */
export function colourCells(picture, curvature, cells, pairs, { style, colours, opacity, grey, threshold = 0, width = 0 }) {
  picture.set(curvature);
  const { mode, mixOf: [ka, kb], limits: [low, high] } = style;
  const negative = Math.round(255 * grey);
  const below = rgba(negative, negative, negative, 255);
  for (let p = 0; p < cells.length; p++) {
    const a = pairs[2 * p];
    if (a === MISSING) continue;
    const b = pairs[2 * p + 1];
    let colour, alpha = opacity ? opacity[p] : 1;
    if (threshold && mode !== "classes" && strengthOf(mode, ka * a + kb * b, a, b) < threshold) continue;
    if (mode === "pair") {
      colour = colours[placeOf(b, low, high, 256) * 256 + placeOf(a, low, high, 256)];
      alpha *= lowValueOpacity(Math.max(a, b) - low, high - low);
    } else if (mode === "classes") {
      colour = colours[a - 1];
      alpha *= 0.25 + 0.75 * b;
    } else {
      const value = ka * a + kb * b;
      if (mode === "sequential" && value < 0) {
        if (width && (Math.floor(cells[p] / width) + (cells[p] % width)) % HATCH_PERIOD >= HATCH_WIDTH) continue;
        colour = below;
      } else {
        colour = colours[placeOf(value, low, high, 256)];
        alpha *= mode === "sequential" ? lowValueOpacity(value - low, high - low) : lowValueOpacity(Math.abs(value), high);
      }
    }
    picture[cells[p]] = alpha >= 1 ? colour : mixed(colour, curvature[cells[p]], alpha);
  }
}

/** How far a cell is from zero, for the threshold. */
function strengthOf(mode, value, a, b) {
  return mode === "pair" ? Math.max(a, b) : mode === "diverging" ? Math.abs(value) : value;
}

function mixed(top, under, alpha) {
  const part = (shift) => Math.round(((top >>> shift) & 255) * alpha + ((under >>> shift) & 255) * (1 - alpha));
  return rgba(part(0), part(8), part(16), part(24));
}
