// What stands beside the pointer.

import { number } from "./scores.js";

/** Region, voxel and values of a voxel in a view {scores, layer, map}, one a line. */
export function readOut(ground, voxel, { scores, layer, map }) {
  const { a, b } = scores.layer(layer);
  const [nameA, nameB] = scores.meta.names;
  const [kind, index] = indexOf(ground, voxel);
  const lines = [
    ground.regionsOf(voxel).join(", ") || "no region",
    kind === "vertex" ? `vertex ${index}` : `voxel ${voxel.toLocaleString("en")} (${index})`,
  ];
  const mm = placeInMm(ground, voxel);
  if (mm) lines.push(`${mm} ${ground.meta.coordinates}`);
  if (a[voxel] !== a[voxel]) return [...lines, "not fitted"].join("\n");
  lines.push(`joint R² ${number(a[voxel] + b[voxel])}`, `${nameA} ${number(a[voxel])}`, `${nameB} ${number(b[voxel])}`);
  if (scores.alone?.layer(layer)) {
    const part = (kind) => number(scores.part(kind, layer, voxel));
    lines.push(`unique to ${nameA} ${part("unique_a")}, to ${nameB} ${part("unique_b")}, shared ${part("shared")}`);
  }
  if (scores.ev && scores.ev[voxel] === scores.ev[voxel]) lines.push(`explainable variance ${number(scores.ev[voxel])}`);
  if (map === "best") lines.push(bestLayer(scores, voxel));
  return lines.join("\n");
}

function bestLayer(scores, voxel) {
  const { place, margin } = scores.bestLayer();
  if (!(place[voxel] > 0)) return "no layer predicts it";
  return `best layer ${scores.layers[place[voxel] - 1]}, ${Math.round(100 * margin[voxel])} % above the others`;
}

/** ["index", "12, 40, 7"], or ["vertex", "left 5,123"] of data on a surface; as `Voxels.index_of` in Python. */
function indexOf({ ijk, isVertex }, voxel) {
  const [i, j, k] = ijk.subarray(3 * voxel, 3 * voxel + 3);
  if (isVertex?.[voxel]) return ["vertex", `${k ? "right" : "left"} ${i.toLocaleString("en")}`];
  return ["index", [i, j, k].join(", ")];
}

const UNKNOWN_MM = -9999; // as in brivl/viz/browser/map_payload.py

/** Coordinates "−54, −29, −10" of a voxel; "" where they are not known. Their unit is `ground.meta.coordinates`. */
function placeInMm({ ijk, mm, meta: { affine } }, voxel) {
  const own = (of) => [0, 1, 2].map((axis) => of[3 * voxel + axis]);
  const written = (place) => place.map((v) => number(v, 4)).join(", ");
  if (mm) return mm[3 * voxel] === UNKNOWN_MM ? "" : written(own(mm));
  if (!affine) return "";
  const [i, j, k] = own(ijk);
  return written([0, 1, 2].map((r) => Math.round(affine[r][0] * i + affine[r][1] * j + affine[r][2] * k + affine[r][3])));
}

/** What the browser can say of a voxel on its card; Python adds the rest (brivl/analyses/flatmap/voxel_card.py). */
export function cardOf(ground, voxel, { scores, layer }, theme) {
  const { a, b } = scores.layer(layer);
  const layers = scores.curve(voxel).map((p) => (p.a === p.a ? p : { layer: p.layer, a: null, b: null }));
  const facts = [indexOf(ground, voxel)];
  const mm = placeInMm(ground, voxel);
  if (mm) facts.push([ground.meta.coordinates, mm]);
  facts.push(["joint R²", number(a[voxel] + b[voxel])], [scores.meta.names[0], number(a[voxel])], [scores.meta.names[1], number(b[voxel])]);
  if (scores.ev) facts.push(["explainable variance", number(scores.ev[voxel])]);
  const place = scores.bestLayer().place[voxel];
  facts.push(["best layer", place > 0 ? `${scores.layers[place - 1]} (of ${scores.layers.length} fitted)` : "–"]);
  const title = `Voxel ${voxel.toLocaleString("en")}, ${ground.regionsOf(voxel).join(", ") || "no region"}`;
  return { kind: "card", voxel, title, facts, layers, layer, names: scores.meta.names, truth: null, course: null, theme };
}

/** What the region of a vertex has on the mean. */
export function regionReadOut(solid, vertex, { scores, layer }) {
  const r = vertex >= 0 ? solid.region[vertex] : 0;
  const { a, b, n } = solid.regionMeans(scores.layer(layer));
  const [nameA, nameB] = scores.meta.names;
  const name = solid.meta.region_names[r] ?? "no region";
  if (a[r] !== a[r]) return `${name}\nno voxel fitted`;
  const values = [`joint R² ${number(a[r] + b[r])}`, `${nameA} ${number(a[r])}`, `${nameB} ${number(b[r])}`];
  return [name, `mean of ${n[r]} voxels`, ...values].join("\n");
}
