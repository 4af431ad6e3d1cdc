// The scale beside a map: a bar for one value, a square for a pair, one field a layer; the voxel in hand marked in it.

import { lowValueOpacity } from "./colour.js";
import { number } from "./scores.js";

const SIDE = 112; // px of the square
const BAR = [18, 168]; // px of the bar

export class Scale {
  constructor(parent) {
    this.root = document.createElement("div");
    this.root.className = "scale";
    parent.append(this.root);
  }

  /** Draw for a style of `styleOf`; `names` of the models, `layers` of the best-layer map, `curvature` of the theme, `flat`: no surface. */
  set(style, luts, names, layers, curvature, flat = true) {
    const key = JSON.stringify([style, names, layers, curvature, flat]);
    this.style = style;
    this.flat = flat;
    this.grey = 255 * (curvature[0] + curvature[1]) / 2;
    if (this.key === key) return;
    this.key = key;
    this.root.replaceChildren();
    const title = this._text("scale-title", style.mode === "pair" ? "Split R²" : style.title);
    this.root.append(title);
    if (style.mode === "pair") this._square(luts.square, names);
    else if (style.mode === "classes") this._classes(luts.layers, layers);
    else this._bar(luts[style.mode], names);
  }

  _text(kind, text) {
    const made = document.createElement("div");
    made.className = kind;
    made.textContent = text;
    return made;
  }

  _canvas(width, height, paint) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      image.data.set(paint(i % width, Math.floor(i / width)), 4 * i);
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }

  /** Entry i of a colour table as the map shows it over the cortex; `strength` is its distance from zero over the limit. */
  _mixed(lut, i, strength) {
    const alpha = lowValueOpacity(strength, 1);
    return [0, 1, 2].map((k) => alpha * lut[3 * i + k] + (1 - alpha) * this.grey);
  }

  _bar(lut, [a, b]) {
    const [low, high] = this.style.limits;
    const box = this._text("bar", "");
    const strength = (y) => (this.style.mode === "diverging" ? Math.abs(2 * y / 255 - 1) : y / 255);
    const canvas = this._canvas(1, 256, (_, y) => this._mixed(lut, 255 - y, strength(255 - y)));
    canvas.style.cssText = `width:${BAR[0]}px;height:${BAR[1]}px`;
    box.append(canvas);
    const ticks = this._text("ticks", "");
    for (let i = 4; i >= 0; i--) {
      const text = number(low + ((high - low) * i) / 4);
      const who = this.style.mode !== "diverging" ? "" : i === 4 ? ` ${a} higher` : i === 0 ? ` ${b} higher` : "";
      ticks.append(this._text("tick", text + who));
    }
    box.append(ticks);
    this.mark = this._text("bar-mark", "");
    box.append(this.mark);
    this.root.append(box);
    if (this.style.mode === "sequential") this.root.append(this._text("scale-note", this.flat ? "hatched: R² < 0" : "grey: R² < 0"));
  }

  _square(lut, [a, b]) {
    const [low, high] = this.style.limits;
    const box = this._text("square", "");
    const canvas = this._canvas(256, 256, (x, y) => this._mixed(lut, (255 - y) * 256 + x, Math.max(x, 255 - y) / 255));
    canvas.style.cssText = `width:${SIDE}px;height:${SIDE}px`;
    this.mark = this._text("square-mark", "");
    const field = this._text("square-field", "");
    field.append(canvas, this.mark);
    box.append(
      this._text("y-name", `↑ ${b}`), field,
      this._text("x-ticks", `${number(low)} to ${number(high)}`), this._text("x-name", `${a} →`),
    );
    this.root.append(box);
  }

  _classes(lut, layers) {
    const box = this._text("classes", "");
    for (let i = layers.length - 1; i >= 0; i--) {
      const line = this._text("class", `layer ${layers[i]}`);
      const swatch = document.createElement("i");
      swatch.style.background = `rgb(${lut.slice(3 * i, 3 * i + 3).join(",")})`;
      line.prepend(swatch);
      box.append(line);
    }
    this.mark = null;
    this.root.append(box, this._text("scale-note", "paler: the other layers are nearly as good"));
  }

  /** Mark the values (a, b) of the voxel in hand; null takes the mark away. */
  point(values) {
    if (!this.mark) return;
    const { mode, mixOf, limits: [low, high] } = this.style;
    const shown = values !== null && values.a === values.a;
    this.mark.style.display = shown ? "block" : "none";
    if (!shown) return;
    const share = (value) => Math.min(1, Math.max(0, (value - low) / (high - low)));
    if (mode === "pair") {
      this.mark.style.transform = `translate(${share(values.a) * SIDE}px, ${(1 - share(values.b)) * SIDE}px)`;
    } else {
      const value = values.a * mixOf[0] + values.b * mixOf[1];
      this.mark.style.transform = `translateY(${(1 - share(value)) * BAR[1]}px)`;
    }
  }
}
