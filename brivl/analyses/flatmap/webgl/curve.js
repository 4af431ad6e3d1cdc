// R² by layer of the voxel in hand, or the mean of a selection: small, beside the map.

import { number } from "./scores.js";

const [WIDTH, HEIGHT] = [168, 104];
const PAD = { left: 30, right: 6, top: 6, bottom: 18 };
const NS = "http://www.w3.org/2000/svg";

export function svgPart(name, attributes, text) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Lines of joint, A and B over layers, with the layer shown marked. */
export function drawCurve(parent, points, layer, title, theme) {
  const values = points.flatMap((p) => [p.a, p.b, p.a + p.b]).filter(Number.isFinite);
  parent.replaceChildren();
  if (points.length < 2 || !values.length) return;
  const [low, high] = [Math.min(0, ...values), Math.max(1e-6, ...values)];
  const [first, last] = [points[0].layer, points[points.length - 1].layer];
  const x = (l) => PAD.left + ((l - first) / (last - first)) * (WIDTH - PAD.left - PAD.right);
  const y = (v) => HEIGHT - PAD.bottom - ((v - low) / (high - low)) * (HEIGHT - PAD.top - PAD.bottom);
  const svg = svgPart("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img", "aria-label": title });
  svg.append(svgPart("line", { x1: x(layer), x2: x(layer), y1: PAD.top, y2: HEIGHT - PAD.bottom, class: "curve-at" }));
  svg.append(svgPart("line", { x1: PAD.left, x2: WIDTH - PAD.right, y1: y(0), y2: y(0), class: "curve-axis" }));
  for (const [of, colour] of [[(p) => p.a + p.b, theme.joint], [(p) => p.a, theme.a], [(p) => p.b, theme.b]]) {
    const drawn = points.filter((p) => Number.isFinite(of(p)));
    svg.append(svgPart("polyline", { points: drawn.map((p) => `${x(p.layer)},${y(of(p))}`).join(" "), fill: "none", stroke: colour, "stroke-width": 1.8 }));
    for (const p of drawn) svg.append(svgPart("circle", { cx: x(p.layer), cy: y(of(p)), r: 2, fill: colour }));
  }
  const label = (at, text, more) => svg.append(svgPart("text", { x: at[0], y: at[1], class: "curve-text", ...more }, text));
  label([PAD.left - 4, y(high) + 8], number(high, 2), { "text-anchor": "end" });
  label([PAD.left - 4, y(0) + 3], "0", { "text-anchor": "end" });
  label([x(first), HEIGHT - 4], String(first), { "text-anchor": "middle" });
  label([x(last), HEIGHT - 4], String(last), { "text-anchor": "end" });
  label([(x(first) + x(last)) / 2, HEIGHT - 4], "layer", { "text-anchor": "middle" });
  const head = document.createElement("div");
  head.className = "scale-title";
  head.textContent = title;
  parent.append(head, svg);
}
