// A picture on screen by WebGL2: sent to the GPU once per change, laid out anew in each frame.

const VERTEX = `#version 300 es
uniform vec4 box;  // left, top, right, bottom in clip space
out vec2 at;
void main() {
  at = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  gl_Position = vec4(mix(box.xy, box.zw, at), 0, 1);
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
uniform sampler2D picture;
in vec2 at;
out vec4 colour;
void main() { colour = texture(picture, at); }`;

/** A linked program and the places of its uniforms. */
export function program(gl, vertex, fragment) {
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
    this.step = program(gl, VERTEX, FRAGMENT);
    gl.bindVertexArray(gl.createVertexArray());
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    for (const [key, value] of [
      [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE],
      [gl.TEXTURE_MIN_FILTER, gl.LINEAR], [gl.TEXTURE_MAG_FILTER, gl.NEAREST],
    ]) gl.texParameteri(gl.TEXTURE_2D, key, value);
    gl.useProgram(this.step.made);
    this.size = [0, 0];
  }

  /** Send a picture, Uint32Array (height * width), premultiplied. */
  set(width, height, picture) {
    const { gl } = this;
    const bytes = new Uint8Array(picture.buffer);
    if (this.size[0] === width && this.size[1] === height) {
      gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
    } else {
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
      this.size = [width, height];
    }
  }

  /** The picture on screen; its left, top, right and bottom are in pixels of the canvas. */
  show([left, top, right, bottom]) {
    const { gl, canvas } = this;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    const x = (v) => (2 * v) / canvas.width - 1;
    const y = (v) => 1 - (2 * v) / canvas.height;
    gl.uniform4f(this.step.places.box, x(left), y(top), x(right), y(bottom));
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }
}
