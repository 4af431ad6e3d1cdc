// The brain in space: one mesh in several forms, coloured by vertex, turned by dragging.

import { MISSING, Cells } from "./ground.js";
import { program } from "./painter.js";

const UNIT = 50; // parts of a mm (brivl/viz/browser/map_payload.py)
const DEPTH = 600; // mm that the depth buffer spans
const BEHIND = 12; // mm within which two vertices are the same part of the surface
const LEAST_VERTICES = 12; // of a region in a hemisphere for its name to be written
const NEAR = 9; // px within which a vertex counts as under the pointer

const SOLID_VERTEX = `#version 300 es
uniform vec3 right, up, forward, middle;
uniform vec2 scale;
in vec3 place;
in vec3 normal;
in vec4 paint;
FLAT out vec4 colour;
out float light;
void main() {
  vec3 at = place - middle;
  light = 0.42 + 0.58 * max(0.0, dot(normal, normalize(0.45 * up - forward - 0.25 * right)));
  colour = paint;
  gl_Position = vec4(dot(at, right) * scale.x, dot(at, up) * scale.y, dot(at, forward) / ${DEPTH}.0, 1);
}`;

const SOLID_FRAGMENT = `#version 300 es
precision mediump float;
FLAT in vec4 colour;
in float light;
out vec4 seen;
void main() { seen = vec4(colour.rgb * light, 1); }`;

/** Axes of the screen in space for a yaw (about the vertical) and a pitch, in degrees; 0, 0 is from behind. */
export function axesOf({ yaw, pitch }) {
  const [y, p] = [(yaw * Math.PI) / 180, (pitch * Math.PI) / 180];
  const [c, s, cp, sp] = [Math.cos(y), Math.sin(y), Math.cos(p), Math.sin(p)];
  return { right: [c, s, 0], up: [-s * sp, c * sp, cp], forward: [-s * cp, c * cp, -sp] };
}

export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/** Unit normals by vertex: mean over its faces, by their area. */
export function normalsOf(places, faces) {
  const normals = new Float32Array(places.length);
  for (let f = 0; f < faces.length; f += 3) {
    const [a, b, c] = [3 * faces[f], 3 * faces[f + 1], 3 * faces[f + 2]];
    const [ux, uy, uz] = [places[b] - places[a], places[b + 1] - places[a + 1], places[b + 2] - places[a + 2]];
    const [vx, vy, vz] = [places[c] - places[a], places[c + 1] - places[a + 1], places[c + 2] - places[a + 2]];
    const n = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
    for (const at of [a, b, c]) for (let k = 0; k < 3; k++) normals[at + k] += n[k];
  }
  for (let i = 0; i < normals.length; i += 3) {
    const length = Math.hypot(normals[i], normals[i + 1], normals[i + 2]) || 1;
    for (let k = 0; k < 3; k++) normals[i + k] /= length;
  }
  return normals;
}

export class Solid extends Cells {
  constructor({ id, meta, arrays }) {
    super(arrays);
    Object.assign(this, { id, meta, faces: arrays.faces, region: arrays.region, aal: arrays.aal, shade: arrays.shade });
    this.leaderOf = this.leaders();
    this.hasRegions = this.region.some((r) => r > 0);
    this.all = Uint32Array.from({ length: this.n }, (_, i) => i);
    this.cortexFaces = this.faces.findIndex((v) => v >= meta.n_cortex);
    if (this.cortexFaces < 0) this.cortexFaces = this.faces.length;
    this.cortexFaces -= this.cortexFaces % 3;
    this.forms = {};
    for (const name of meta.forms) this.forms[name] = this._form(Float32Array.from(arrays[`form_${name}`], (v) => v / UNIT));
  }

  _form(places) {
    const reach = (n) => {
      const low = [Infinity, Infinity, Infinity];
      const high = [-Infinity, -Infinity, -Infinity];
      for (let i = 0; i < 3 * n; i++) {
        low[i % 3] = Math.min(low[i % 3], places[i]);
        high[i % 3] = Math.max(high[i % 3], places[i]);
      }
      const [x, y, z] = low.map((v, k) => (high[k] - v) / 2);
      return { middle: low.map((v, k) => (v + high[k]) / 2), wide: Math.hypot(x, y), tall: Math.max(y, z), side: x };
    };
    return { places, normals: normalsOf(places, this.faces), cortex: reach(this.meta.n_cortex), whole: reach(this.n) };
  }

  /** Means over the fitted voxels of each AAL region: {a, b, n} by number. */
  regionMeans({ a, b }) {
    const means = { a: new Float32Array(256), b: new Float32Array(256), n: new Uint32Array(256) };
    for (let v = 0; v < this.aal.length; v++) {
      if (a[v] !== a[v]) continue;
      const r = this.aal[v];
      means.a[r] += a[v];
      means.b[r] += b[v];
      means.n[r] += 1;
    }
    for (let r = 0; r < 256; r++) {
      means.a[r] = means.n[r] && r ? means.a[r] / means.n[r] : NaN;
      means.b[r] = means.n[r] && r ? means.b[r] / means.n[r] : NaN;
    }
    return means;
  }

  /** Vertices outside of a group that share a face with one inside; holds(vertex) tells which are inside. */
  edgeOf(holds) {
    const held = Uint8Array.from({ length: this.n }, (_, v) => (holds(v) ? 1 : 0));
    const edge = new Set();
    for (let f = 0; f < this.faces.length; f += 3) {
      const corners = this.faces.subarray(f, f + 3);
      const n = held[corners[0]] + held[corners[1]] + held[corners[2]];
      if (n === 1 || n === 2) for (const v of corners) if (!held[v]) edge.add(v);
    }
    return [...edge];
  }

  /** Names of the regions of a map, each at the vertex in its middle in either hemisphere: {text, vertex, radius}. */
  anchorsOf(ground) {
    const { places } = this.forms[this.meta.forms[0]];
    return ground.meta.regions.flatMap(({ name, named }, k) => {
      if (!named) return [];
      const sides = [[], []];
      for (let v = 0; v < this.meta.n_cortex; v++) {
        if (this.leaderOf[v] >= 0 && ground.inRegion(k, this.leaderOf[v])) sides[places[3 * v] < 0 ? 0 : 1].push(v);
      }
      const text = name.match(/\(([^()]+)\)$/)?.[1] ?? name; // the short name of an atlas
      return sides.filter((group) => group.length >= LEAST_VERTICES).map((group) => {
        const mean = [0, 1, 2].map((i) => group.reduce((sum, v) => sum + places[3 * v + i], 0) / group.length);
        const far = (v) => [0, 1, 2].reduce((sum, i) => sum + (places[3 * v + i] - mean[i]) ** 2, 0);
        return { text, vertex: group.reduce((best, v) => (far(v) < far(best) ? v : best)), radius: Math.sqrt(group.length) };
      });
    });
  }

  /** Numbers of the AAL regions of which at least half of the voxels are marked in `inside`. */
  regionsWithin(inside) {
    const [all, held] = [new Uint32Array(256), new Uint32Array(256)];
    for (let v = 0; v < this.aal.length; v++) {
      all[this.aal[v]] += 1;
      held[this.aal[v]] += inside[v];
    }
    return new Set([...all.keys()].filter((r) => r && held[r] && 2 * held[r] >= all[r]));
  }

  /** Pairs by vertex, each the means of its region; for the best layer (place, margin) of the region's means. */
  byRegion(scores, layer, kind) {
    const [a, b] = layer === "best" ? this._bestOfRegions(scores) : Object.values(this.regionMeans(scores.pairOf(kind, layer)));
    const pairs = new Float32Array(2 * this.n).fill(MISSING);
    for (let i = 0; i < this.n; i++) {
      const r = this.region[i];
      if (a[r] === a[r]) [pairs[2 * i], pairs[2 * i + 1]] = [a[r], b[r]];
    }
    return pairs;
  }

  _bestOfRegions(scores) {
    const place = new Float32Array(256).fill(NaN);
    const joint = scores.layers.map((l) => this.regionMeans(scores.layer(l))).map(({ a, b }) => a.map((v, r) => v + b[r]));
    for (let r = 1; r < 256; r++) {
      const values = joint.map((row) => row[r]);
      const most = Math.max(...values);
      if (most > 0) place[r] = values.indexOf(most) + 1;
    }
    return [place, new Float32Array(256).fill(1)];
  }
}

export class SolidView {
  constructor(canvas) {
    this.canvas = canvas;
    this.gl = canvas.getContext("webgl2", { alpha: true, antialias: false });
    if (!this.gl) throw new Error("no WebGL2");
    this.start();
  }

  start() {
    const { gl } = this;
    const version = (flat) => [SOLID_VERTEX, SOLID_FRAGMENT].map((text) => text.replaceAll("FLAT", flat ? "flat" : ""));
    this.steps = { smooth: program(gl, ...version(false)), flat: program(gl, ...version(true)) };
    this.buffers = { place: gl.createBuffer(), normal: gl.createBuffer(), paint: gl.createBuffer(), faces: gl.createBuffer() };
    gl.bindVertexArray(gl.createVertexArray());
    gl.enable(gl.DEPTH_TEST);
    this.formKey = null;
  }

  /** Which form of which mesh; `whole`: with the structures below the cortex. */
  setForm(solid, name, whole) {
    const key = `${solid.id} ${name}`;
    Object.assign(this, { solid, whole, form: solid.forms[name] });
    if (this.formKey === key) return;
    const { gl } = this;
    for (const [buffer, data] of [["place", this.form.places], ["normal", this.form.normals]]) {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[buffer]);
      gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    }
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.buffers.faces);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, solid.faces, gl.STATIC_DRAW);
    this.formKey = key;
  }

  /** Colours by vertex, Uint32Array; `classes` are not mixed between vertices. */
  setColours(colours, classes) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers.paint);
    gl.bufferData(gl.ARRAY_BUFFER, colours, gl.DYNAMIC_DRAW);
    this.step = classes ? this.steps.flat : this.steps.smooth;
  }

  /** px per mm, so that the brain fits however it is turned. */
  scaleFor(width, height, zoom) {
    const { wide, tall } = this.whole ? this.form.whole : this.form.cortex;
    return 0.47 * zoom * Math.min(width / wide, height / tall);
  }

  draw(orbit) {
    const { gl, canvas } = this;
    const axes = axesOf(orbit);
    const scale = this.scaleFor(canvas.width, canvas.height, orbit.zoom);
    const { made, places } = this.step;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.useProgram(made);
    for (const name of ["right", "up", "forward"]) gl.uniform3f(places[name], ...axes[name]);
    gl.uniform3f(places.middle, ...(this.whole ? this.form.whole : this.form.cortex).middle);
    gl.uniform2f(places.scale, (2 * scale) / canvas.width, (2 * scale) / canvas.height);
    for (const [name, n, kind, normalised] of [["place", 3, gl.FLOAT, false], ["normal", 3, gl.FLOAT, false], ["paint", 4, gl.UNSIGNED_BYTE, true]]) {
      const at = gl.getAttribLocation(made, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, n, kind, normalised, 0, 0);
    }
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.buffers.faces);
    gl.drawElements(gl.TRIANGLES, this.whole ? this.solid.faces.length : this.solid.cortexFaces, gl.UNSIGNED_SHORT, 0);
  }

  /** [x, y, facing] of a vertex on a stage of this size; facing < 0: turned away. */
  project(vertex, orbit, width, height) {
    const axes = axesOf(orbit);
    const scale = this.scaleFor(width, height, orbit.zoom);
    const { middle } = this.whole ? this.form.whole : this.form.cortex;
    const at = [0, 1, 2].map((k) => this.form.places[3 * vertex + k] - middle[k]);
    const normal = [0, 1, 2].map((k) => this.form.normals[3 * vertex + k]);
    return [width / 2 + dot(at, axes.right) * scale, height / 2 - dot(at, axes.up) * scale, -dot(normal, axes.forward)];
  }

  /** Whether no other part of the surface lies before a vertex. */
  isForemost(vertex, orbit, width, height) {
    const [x, y] = this.project(vertex, orbit, width, height);
    const first = this.vertexAt(x, y, orbit, width, height);
    const { places } = this.form;
    return first >= 0 && Math.hypot(...[0, 1, 2].map((k) => places[3 * first + k] - places[3 * vertex + k])) < BEHIND;
  }

  /** The vertex under a point of the stage: among the near ones that face the viewer the foremost; -1 where none. */
  vertexAt(x, y, orbit, width, height) {
    const { right, up, forward } = axesOf(orbit);
    const scale = this.scaleFor(width, height, orbit.zoom);
    const { middle: m } = this.whole ? this.form.whole : this.form.cortex;
    const { places: p, normals: n } = this.form;
    const last = this.whole ? this.solid.n : this.solid.meta.n_cortex;
    const [tx, ty] = [(x - width / 2) / scale, (height / 2 - y) / scale];
    let best = -1, score = Infinity;
    for (let v = 0; v < last; v++) {
      const i = 3 * v;
      const [ax, ay, az] = [p[i] - m[0], p[i + 1] - m[1], p[i + 2] - m[2]];
      const dx = (ax * right[0] + ay * right[1] + az * right[2] - tx) * scale;
      if (dx > NEAR || dx < -NEAR) continue;
      const dy = (ax * up[0] + ay * up[1] + az * up[2] - ty) * scale;
      const off = dx * dx + dy * dy;
      if (off > NEAR * NEAR || n[i] * forward[0] + n[i + 1] * forward[1] + n[i + 2] * forward[2] > 0) continue;
      const depth = (ax * forward[0] + ay * forward[1] + az * forward[2]) + off / (scale * 4);
      if (depth < score) [score, best] = [depth, v];
    }
    return best;
  }
}
