// Outlines, names, L and R over a map, on a canvas that is only moved while the map moves and drawn again after.

const NAME_SIZE = 13; // px
const MARK_MARGIN = 14; // px that L and R keep from the border of the stage
const FIT = 3.0; // radii of the free circle that a name may be wide (LABEL_WIDTH in brivl/viz/flatmap/painting.py)

/** Names {at, wide, radius}, those of large regions first, as far as they do not lie on one another; a name may move up or down. */
export function withoutCollisions(names, size) {
  const taken = [];
  const free = (x, y, wide) => taken.every((t) => Math.abs(x - t.x) > (wide + t.wide) / 2 + 3 || Math.abs(y - t.y) > size + 1);
  return names.toSorted((p, q) => q.radius - p.radius).flatMap((name) => {
    const [x, y] = name.at;
    const dy = [0, 1.1 * size, -1.1 * size].find((d) => free(x, y + d, name.wide));
    if (dy === undefined) return [];
    taken.push({ x, y: y + dy, wide: name.wide });
    return [{ ...name, at: [x, y + dy] }];
  });
}

/**
 * [text, x, y] of the letters of the hemispheres that are in view. A letter whose place is out of view is drawn at the
 * border, but only where the border still belongs to its hemisphere: the half of the picture nearer to its own place.
 */
export function sideMarks(marks, { scale, left, top }, width, height) {
  const places = Object.entries(marks).map(([text, [x, y]]) => [text, left + x * scale, top + y * scale]);
  const kept = places.map(([text, x, y]) => [
    text, Math.min(width - MARK_MARGIN, Math.max(MARK_MARGIN, x)), Math.min(height - MARK_MARGIN, Math.max(MARK_MARGIN, y)),
  ]);
  const far = ([, x, y], [, x1, y1]) => Math.hypot(x - x1, y - y1);
  return kept.filter((at, k) => places.every((other, j) => j === k || far(at, places[k]) < far(at, other)));
}

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
    const fitting = ground.meta.places
      .map((p) => ({ ...p, wide: context.measureText(p.name).width, at: [left + (p.x + 0.5) * scale, top + (p.y + 0.5) * scale] }))
      .filter(({ wide, radius }) => wide <= FIT * radius * scale);
    const shown = withoutCollisions(fitting, NAME_SIZE);
    this.canvas.dataset.names = shown.map(({ name }) => name).join("|");
    for (const { name, at } of shown) this._text(context, name, ...at, "#fff", "rgba(0,0,0,0.85)");
  }

  _marks(context, ground, { scale, left, top }, theme) {
    context.font = `700 22px ${getComputedStyle(this.canvas).fontFamily}`;
    [context.textAlign, context.textBaseline] = ["center", "middle"];
    const { clientWidth: width, clientHeight: height } = this.canvas.parentElement;
    const places = sideMarks(ground.meta.marks, { scale, left, top }, width, height);
    this.canvas.dataset.marks = places.map(([text]) => text).join("");
    for (const [text, x, y] of places) this._text(context, text, x, y, theme.text, theme.background);
  }

  _text(context, text, x, y, fill, halo) {
    [context.strokeStyle, context.lineWidth, context.fillStyle] = [halo, 3.5, fill];
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  }
}
