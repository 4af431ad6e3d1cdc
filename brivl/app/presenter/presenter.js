// The presenter: which view is shown, by keys and buttons, and what Python is sent. Images are kept as they come.

import { unpack } from "./bytes.js";
import { Slide } from "./slide.js";
import { Speaker } from "./speaker.js";

const SETTLED = 250; // ms without another step until Python hears which view is shown
const MOST_KEPT = 24;
const pictures = new Map(); // view -> address of its picture within this page
const presenters = new WeakMap();
const open = new Set();
const STEPS = { ArrowLeft: -1, PageUp: -1, ArrowRight: 1, PageDown: 1 };

async function keep(bytes) {
  const { meta, arrays } = await unpack(bytes);
  if (pictures.has(meta.view)) return;
  pictures.set(meta.view, URL.createObjectURL(new Blob([arrays.png], { type: "image/png" })));
  for (const old of [...pictures.keys()].slice(0, Math.max(0, pictures.size - MOST_KEPT))) {
    URL.revokeObjectURL(pictures.get(old));
    pictures.delete(old);
  }
  open.forEach((presenter) => presenter.draw());
}

class Presenter {
  constructor(parent) {
    this.root = document.createElement("div");
    this.root.className = "presenter";
    this.root.tabIndex = -1;
    this.root.setAttribute("role", "dialog");
    this.root.setAttribute("aria-modal", "true");
    parent.append(this.root);
    this.slide = new Slide(this.root, {
      previous: () => this.go(this.at - 1), next: () => this.go(this.at + 1), open: () => this.ask("open"),
      full: () => this.toggleFull(), leave: () => this.leave(), speaker: () => this.openSpeaker(),
    });
    this.speaker = new Speaker((event) => event.key !== "Tab" && this.key(event));
    Object.assign(this, { at: null, seq: 0, sent: 0, leaving: false });
    this.onKey = (event) => this.key(event);
    this.onFull = () => { if (!document.fullscreenElement && this.inFull && !this.leaving) this.leave(); }; // Escape left it
    document.addEventListener("keydown", this.onKey, true);
    document.addEventListener("fullscreenchange", this.onFull);
    this.root.focus({ preventScroll: true });
    this.root.brivl = this; // for tests
    if (navigator.userActivation?.isActive) this.enterFull(); // whoever pressed Present
  }

  /** data of Python: {seq, at, n, views: {position: view}, label}; its position counts unless news of ours are on their way. */
  update(data, send) {
    Object.assign(this, { data, send });
    this.root.setAttribute("aria-label", data.label);
    if (this.at === null) this.seq = this.sent = data.seq;
    if (this.at === null || (data.seq >= this.sent && this.seq === this.sent)) this.at = data.at;
    this.at = Math.min(this.at, data.n - 1);
    this.draw();
  }

  draw() {
    const view = this.data.views[this.at] ?? null;
    this.slide.show(this.at, this.data.n, view, view && pictures.get(view.id));
    const next = this.data.views[this.at + 1] ?? null;
    this.speaker.show(this.at, this.data.n, view, next, next && pictures.get(next.id));
  }

  openSpeaker() {
    this.speaker.open();
    this.draw();
  }

  go(to) {
    const at = Math.min(this.data.n - 1, Math.max(0, to));
    if (at === this.at) return;
    this.at = at;
    this.seq += 1;
    this.draw();
    clearTimeout(this.sending);
    this.sending = setTimeout(() => this.ask("show"), this.data.views[at] ? SETTLED : 0);
  }

  ask(what) {
    clearTimeout(this.sending);
    if (what !== "show") {
      this.seq += 1;
      this.leaving = true; // the server takes a moment
      this.root.classList.add("leaving");
    }
    this.sent = this.seq;
    this.send({ seq: this.seq, what, at: this.at });
  }

  leave() {
    this.inFull = false;
    if (document.fullscreenElement) document.exitFullscreen();
    this.ask("leave");
  }

  enterFull() {
    document.documentElement.requestFullscreen?.().then(() => { this.inFull = true; }, () => {}); // not everywhere allowed
  }

  toggleFull() {
    if (!document.fullscreenElement) return this.enterFull();
    this.inFull = false;
    return document.exitFullscreen();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || this.leaving || !this.root.isConnected) return;
    const onButton = event.composedPath()[0] instanceof HTMLButtonElement;
    const does = {
      Home: () => this.go(0), End: () => this.go(this.data.n - 1), Escape: () => this.leave(),
      f: () => this.toggleFull(), o: () => this.ask("open"), n: () => this.openSpeaker(), Tab: () => this._ring(event),
      " ": onButton ? null : () => this.go(this.at + 1),
    }[event.key];
    if (event.key in STEPS) this.go(this.at + STEPS[event.key]);
    else if (does) does();
    else return;
    event.stopPropagation();
    if (event.key !== "Tab") event.preventDefault();
  }

  /** Tab stays among the presenter's own buttons. */
  _ring(event) {
    const all = [...this.root.querySelectorAll("button, .caption:not([hidden])")];
    const [first, last] = [all[0], all[all.length - 1]];
    const here = this.root.getRootNode().activeElement;
    if (event.shiftKey && (here === first || !all.includes(here))) last.focus();
    else if (!event.shiftKey && (here === last || !all.includes(here))) first.focus();
    else return;
    event.preventDefault();
  }

  close() {
    clearTimeout(this.sending);
    this.speaker.close();
    document.removeEventListener("keydown", this.onKey, true);
    document.removeEventListener("fullscreenchange", this.onFull);
    this.root.remove();
  }
}

export default function brivlPresenter({ data, parentElement, setTriggerValue }) {
  if (data instanceof Uint8Array) {
    keep(data);
    return undefined;
  }
  if (!data) return undefined;
  let presenter = presenters.get(parentElement);
  if (!presenter) {
    presenter = new Presenter(parentElement);
    presenters.set(parentElement, presenter);
    open.add(presenter);
  }
  presenter.update(data, (news) => setTriggerValue("news", news));
  return () => { presenter.close(); open.delete(presenter); presenters.delete(parentElement); };
}
