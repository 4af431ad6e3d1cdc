// WebGL2 in two steps: values become a coloured picture once per change; each frame only lays that picture on screen.

const COLOUR_VERTEX = `#version 300 es
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0;
  gl_Position = vec4(corner, 0, 1);
}`;

// Mode 0: one value, grey below zero; 1: one value about zero; 2: a pair; 3: classes with a confidence.
const COLOUR_FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
uniform highp sampler2D values;  // (a, b), or (class, confidence)
uniform sampler2D ground;        // curvature, inside, opacity by EV, opacity by selection
uniform sampler2D colours;
uniform int mode;
uniform int classes;
uniform vec2 mix_of;             // weights of a and b in one value
uniform vec2 limits;
uniform vec3 greys;              // sulcus, gyrus, negative
uniform float by_ev;
out vec4 colour;
int place(float value, int n) {
  return int(floor(clamp((value - limits.x) / (limits.y - limits.x), 0.0, 1.0) * float(n - 1) + 0.5));
}
void main() {
  ivec2 cell = ivec2(gl_FragCoord.xy);
  vec2 v = texelFetch(values, cell, 0).rg;
  vec4 g = texelFetch(ground, cell, 0);
  float alpha = v.x > -1e29 ? g.a * mix(1.0, g.b, by_ev) : 0.0;
  vec3 rgb;
  if (mode == 2) {
    rgb = texelFetch(colours, ivec2(place(v.x, 256), place(v.y, 256)), 0).rgb;
  } else if (mode == 3) {
    rgb = texelFetch(colours, ivec2(clamp(int(v.x + 0.5) - 1, 0, classes - 1), 0), 0).rgb;
    alpha *= 0.25 + 0.75 * v.y;
  } else {
    float value = dot(v, mix_of);
    rgb = texelFetch(colours, ivec2(place(value, 256), 0), 0).rgb;
    if (mode == 0 && value < 0.0) rgb = vec3(greys.z);
  }
  float whole = alpha + g.g * (1.0 - alpha);
  colour = vec4(rgb * alpha + mix(greys.x, greys.y, g.r) * g.g * (1.0 - alpha), whole);
}`;

const SCREEN_VERTEX = `#version 300 es
uniform vec4 box;  // left, top, right, bottom in clip space
out vec2 at;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  at = corner;
  gl_Position = vec4(mix(box.xy, box.zw, corner), 0, 1);
}`;

const SCREEN_FRAGMENT = `#version 300 es
precision mediump float;
uniform sampler2D picture;
in vec2 at;
out vec4 colour;
void main() { colour = texture(picture, at); }`;

export const MODES = { sequential: 0, diverging: 1, pair: 2, classes: 3 };

function program(gl, vertex, fragment) {
  const made = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(gl.getProgramInfoLog(made));
  const places = {};
  const n = gl.getProgramParameter(made, gl.ACTIVE_UNIFORMS);
  for (let i = 0; i < n; i++) {
    const { name } = gl.getActiveUniform(made, i);
    places[name] = gl.getUniformLocation(made, name);
  }
  return { made, places };
}

export class Painter {
  /** Draws on a canvas. Throws where the browser has no WebGL2. */
  constructor(canvas) {
    this.canvas = canvas;
    this.gl = canvas.getContext("webgl2", { alpha: true, antialias: false, depth: false, stencil: false });
    if (!this.gl) throw new Error("no WebGL2");
    this.start();
  }

  /** Make what lives on the GPU; again after the browser took it away. */
  start() {
    const { gl } = this;
    this.colourStep = program(gl, COLOUR_VERTEX, COLOUR_FRAGMENT);
    this.screenStep = program(gl, SCREEN_VERTEX, SCREEN_FRAGMENT);
    gl.bindVertexArray(gl.createVertexArray());
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    this.textures = {};
    this.frame = gl.createFramebuffer();
    this.size = [0, 0];
  }

  _texture(name, unit, linear = false) {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0 + unit);
    const fresh = !this.textures[name];
    this.textures[name] ??= gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.textures[name]);
    if (fresh) {
      for (const [key, value] of [
        [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE],
        [gl.TEXTURE_MIN_FILTER, linear ? gl.LINEAR : gl.NEAREST], [gl.TEXTURE_MAG_FILTER, gl.NEAREST],
      ]) gl.texParameteri(gl.TEXTURE_2D, key, value);
    }
  }

  /** Size of the picture, and (height * width, 4) bytes: curvature, inside, opacity by EV, opacity by selection. */
  setGround(width, height, bytes) {
    const { gl } = this;
    this._texture("ground", 1);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
    if (this.size[0] === width && this.size[1] === height) return;
    this.size = [width, height];
    this._texture("values", 0);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RG32F, width, height, 0, gl.RG, gl.FLOAT, null);
    this._texture("picture", 3, true);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, null);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.frame);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, this.textures.picture, 0);
  }

  /** Pairs by cell, Float32Array (height * width * 2), MISSING where there is none. */
  setValues(pairs) {
    const { gl } = this;
    this._texture("values", 0);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, this.size[0], this.size[1], gl.RG, gl.FLOAT, pairs);
  }

  /** Colours (width * height, 3) bytes: a row, or a square of first value by second. */
  setColours(width, height, rgb) {
    const { gl } = this;
    this._texture("colours", 2);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB8, width, height, 0, gl.RGB, gl.UNSIGNED_BYTE, rgb);
  }

  /** First step: values, ground and colours to a picture. */
  colour({ mode, mixOf, limits, greys, byEv, classes }) {
    const { gl } = this;
    const { made, places } = this.colourStep;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.frame);
    gl.viewport(0, 0, ...this.size);
    gl.useProgram(made);
    ["values", "ground", "colours"].forEach((name, unit) => {
      this._texture(name, unit);
      gl.uniform1i(places[name], unit);
    });
    gl.uniform1i(places.mode, MODES[mode]);
    gl.uniform1i(places.classes, classes ?? 1);
    gl.uniform2f(places.mix_of, ...mixOf);
    gl.uniform2f(places.limits, ...limits);
    gl.uniform3f(places.greys, ...greys);
    gl.uniform1f(places.by_ev, byEv ? 1 : 0);
    gl.disable(gl.BLEND);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 3);
  }

  /** Second step: the picture on screen; `box` is its left, top, right and bottom in pixels of the canvas. */
  show([left, top, right, bottom]) {
    const { gl, canvas } = this;
    const { made, places } = this.screenStep;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.useProgram(made);
    this._texture("picture", 3, true);
    gl.uniform1i(places.picture, 3);
    const x = (v) => (2 * v) / canvas.width - 1;
    const y = (v) => 1 - (2 * v) / canvas.height;
    gl.uniform4f(places.box, x(left), y(top), x(right), y(bottom));
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }

  /** The coloured picture as it is, (height * width * 4) bytes: for tests, and to wait until the GPU is done. */
  read() {
    const { gl } = this;
    const bytes = new Uint8Array(this.size[0] * this.size[1] * 4);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.frame);
    gl.readPixels(0, 0, ...this.size, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
    return bytes;
  }
}

/** How a kind of map is coloured; `a` and `b` are the names of the models. */
export function styleOf(kind, [a, b], limits) {
  const one = { mode: "sequential", mixOf: [1, 1], limits: [0, limits.split], scale: "split" };
  return {
    joint: { ...one, limits: [0, limits.joint], title: "Joint R²", scale: "joint" },
    a: { ...one, mixOf: [1, 0], title: `Split R² of ${a}` },
    b: { ...one, mixOf: [0, 1], title: `Split R² of ${b}` },
    pair: { mode: "pair", mixOf: [1, 0], limits: [0, limits.split], title: "Split R²", scale: "split" },
    difference: {
      mode: "diverging", mixOf: [1, -1], limits: [-limits.difference, limits.difference],
      title: `Split R², ${a} − ${b}`, scale: "difference",
    },
    best: { mode: "classes", mixOf: [1, 0], limits: [0, 1], title: "Best layer (joint R²)", scale: null },
  }[kind];
}
