// One view as a slide: title, figure, caption; and the bar below with where one is and what can be done.

const WIDE = 1.35; // pictures narrower than this have their caption beside them, not below

function element(tag, className, parent) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  parent?.append(made);
  return made;
}

/** A button with a sign and a name. */
function knob(parent, text, name, act) {
  const made = element("button", "", parent);
  Object.assign(made, { type: "button", textContent: text, onclick: act });
  made.setAttribute("aria-label", name);
  made.title = name;
  return made;
}

/** "ViT-mini" stays on one line. */
const unbroken = (text) => text.replace(/(\w)-(?=\w)/g, "$1\u2011");

export class Slide {
  constructor(root, acts) {
    this.title = element("h1", "title", root);
    const body = element("div", "body", root);
    this.stage = element("div", "stage", body);
    this.picture = element("img", "", this.stage);
    this.picture.onload = () => body.classList.toggle("beside", this.picture.naturalWidth < WIDE * this.picture.naturalHeight);
    this.caption = element("p", "caption", body);
    this.caption.tabIndex = 0; // long captions are scrolled by keyboard
    const bar = element("div", "bar", root);
    this.label = element("span", "label", bar);
    this.detail = element("span", "detail", bar);
    this.moves = element("div", "moves", bar);
    this.moves.setAttribute("role", "group");
    this.moves.setAttribute("aria-label", "Step through the views");
    this.previous = knob(this.moves, "\u2190", "Previous view (left arrow)", acts.previous);
    this.position = element("span", "position", this.moves);
    this.next = knob(this.moves, "\u2192", "Next view (right arrow)", acts.next);
    this.speaker = knob(bar, "Notes", "Speaker notes in a window, with a clock (N)", acts.speaker);
    this.open = knob(bar, "Open", "Open this view in the explorer (O)", acts.open);
    this.full = knob(bar, "Full screen", "Full screen on or off (F)", acts.full);
    this.leave = knob(bar, "Leave", "Leave the presenter (Escape)", acts.leave);
    this.live = element("div", "live", root);
    this.live.setAttribute("aria-live", "polite");
  }

  /** Show view `at` of `n`; `view` and its picture are null while they are on their way. */
  show(at, n, view, address) {
    this.title.textContent = view ? unbroken(view.title) : `View ${at + 1}`;
    this.title.classList.toggle("long", (view?.title.length ?? 0) > 90);
    this.stage.setAttribute("aria-busy", String(!address));
    this.picture.hidden = !address;
    if (address) [this.picture.src, this.picture.alt] = [address, view.shows];
    this.caption.textContent = view?.caption ?? "";
    this.caption.hidden = !view?.caption;
    this.caption.scrollTop = 0;
    this.label.textContent = view?.label ?? "";
    this.label.hidden = !view?.label;
    this.detail.textContent = view?.detail ?? "";
    this.position.textContent = `${at + 1} / ${n}`;
    this._off(this.previous, at === 0);
    this._off(this.next, at === n - 1);
    const announced = `View ${at + 1} of ${n}: ${this.title.textContent}`;
    if (view && this.live.textContent !== announced) this.live.textContent = announced;
  }

  /** A button at the end of the row keeps the focus: it is marked as disabled, and does nothing. */
  _off(button, off) { button.setAttribute("aria-disabled", String(off)); }
}
