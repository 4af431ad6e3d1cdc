// Outlines, names, L and R over a map, on a canvas that is only moved while the map moves and drawn again after.

const NAME_SIZE = 13; // px
const FIT = 3.0; // radii of the free circle that a name may be wide (brivl.viz.flatmap.painting.FIT)

export class Overlay {
  constructor(canvas) {
    this.canvas = canvas;
    this.drawnFor = null;
  }

  /** Draw for a transform {scale, left, top} (picture to px). `shown`: names, region, border, theme. */
  draw(ground, transform, shown) {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const { clientWidth: width, clientHeight: height } = this.canvas.parentElement;
    [this.canvas.width, this.canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    this.canvas.style.cssText = `width:${width}px;height:${height}px;transform:none`;
    this.drawnFor = { ...transform };
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.lineJoin = "round";
    const plain = this._path(ground.outlines, transform);
    this._stroke(context, plain, "rgba(0,0,0,0.6)", 3);
    this._stroke(context, plain, "#fff", 1.2);
    const chosen = ground.outlines.filter((o) => o.name === shown.region);
    if (chosen.length || shown.border) {
      const path = chosen.length ? this._path(chosen, transform) : this._sides(shown.border, transform);
      this._stroke(context, path, "rgba(0,0,0,0.9)", 6.5);
      this._stroke(context, path, "#fff", 3.2);
    }
    if (shown.names) this._names(context, ground, transform);
    this._marks(context, ground, transform, shown.theme);
  }

  /** Move what is drawn to another transform, until it is drawn again. */
  follow(transform) {
    if (!this.drawnFor) return;
    const zoom = transform.scale / this.drawnFor.scale;
    const x = transform.left - zoom * this.drawnFor.left;
    const y = transform.top - zoom * this.drawnFor.top;
    this.canvas.style.transform = `translate(${x}px, ${y}px) scale(${zoom})`;
  }

  _path(outlines, { scale, left, top }) {
    const path = new Path2D();
    for (const { points } of outlines) {
      for (let i = 0; i < points.length; i += 2) {
        const x = left + (points[i] + 0.5) * scale;
        const y = top + (points[i + 1] + 0.5) * scale;
        if (i) path.lineTo(x, y);
        else path.moveTo(x, y);
      }
      path.closePath();
    }
    return path;
  }

  _sides(sides, { scale, left, top }) {
    const path = new Path2D();
    for (let i = 0; i < sides.length; i += 4) {
      path.moveTo(left + (sides[i] + 0.5) * scale, top + (sides[i + 1] + 0.5) * scale);
      path.lineTo(left + (sides[i + 2] + 0.5) * scale, top + (sides[i + 3] + 0.5) * scale);
    }
    return path;
  }

  _stroke(context, path, colour, width) {
    [context.strokeStyle, context.lineWidth] = [colour, width];
    context.stroke(path);
  }

  _names(context, ground, { scale, left, top }) {
    context.font = `600 ${NAME_SIZE}px ${getComputedStyle(this.canvas).fontFamily}`;
    [context.textAlign, context.textBaseline] = ["center", "middle"];
    for (const { name, x, y, radius } of ground.meta.places) {
      if (context.measureText(name).width > FIT * radius * scale) continue;
      this._text(context, name, left + (x + 0.5) * scale, top + (y + 0.5) * scale, "#fff", "rgba(0,0,0,0.85)");
    }
  }

  _marks(context, ground, { scale, left, top }, theme) {
    context.font = `700 22px ${getComputedStyle(this.canvas).fontFamily}`;
    [context.textAlign, context.textBaseline] = ["center", "middle"];
    const { width, height } = this.canvas.getBoundingClientRect();
    for (const [text, [x, y]] of Object.entries(ground.meta.marks)) {
      const at = [left + x * scale, top + y * scale];
      const kept = [Math.min(width - 14, Math.max(14, at[0])), Math.min(height - 14, Math.max(14, at[1]))];
      this._text(context, text, ...kept, theme.text, theme.background);
    }
  }

  _text(context, text, x, y, fill, halo) {
    [context.strokeStyle, context.lineWidth, context.fillStyle] = [halo, 3.5, fill];
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  }
}
