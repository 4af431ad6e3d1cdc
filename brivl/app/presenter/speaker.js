// The speaker's window: notes of the view that is shown, the next view, and a clock. It belongs on the other screen.

const SIZE = "popup,width=1000,height=640";
const STYLE = `
  body { margin: 0; padding: 2vh 2vw; box-sizing: border-box; height: 100vh; display: flex; flex-direction: column; gap: 1.5vh;
    font: 20px/1.4 "Source Sans", "Segoe UI", Helvetica, Arial, sans-serif; background: #fff; color: #1F2933; }
  header { display: flex; gap: 2em; align-items: baseline; font-variant-numeric: tabular-nums; }
  h1 { flex: 1; margin: 0; font-size: 24px; } main { flex: 1; min-height: 0; display: flex; gap: 2vw; }
  .notes { flex: 3; margin: 0; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 26px; }
  aside { flex: 2; min-width: 0; } aside h2 { margin: 0 0 0.4em; font-size: 18px; } aside img { max-width: 100%; max-height: 55vh; }
  @media (prefers-color-scheme: dark) { body { background: #0E1117; color: #E6EDF3; } aside img { background: #fff; } }`;

const two = (n) => String(n).padStart(2, "0");

/** Minutes and seconds of a duration in ms: "04:09". */
const duration = (ms) => `${two(Math.floor(ms / 60000))}:${two(Math.floor(ms / 1000) % 60)}`;

export class Speaker {
  /** onKey: called with the keys that are pressed in the window. */
  constructor(onKey) { Object.assign(this, { onKey, window: null, since: 0 }); }

  get isOpen() { return Boolean(this.window && !this.window.closed); }

  open() {
    if (this.isOpen) return this.window.focus();
    this.window = window.open("", "brivl-speaker", SIZE);
    if (!this.window) return undefined; // the browser allows no windows here
    this.since = Date.now();
    const page = this.window.document;
    page.title = "Speaker notes";
    page.documentElement.lang = "en";
    page.body.replaceChildren();
    const add = (tag, parent, className = "") => {
      const made = page.createElement(tag);
      made.className = className;
      parent.append(made);
      return made;
    };
    add("style", page.head).textContent = STYLE;
    const head = add("header", page.body);
    this.title = add("h1", head);
    this.elapsed = add("span", head, "elapsed");
    this.time = add("span", head, "time");
    const main = add("main", page.body);
    this.notes = add("p", main, "notes");
    this.notes.tabIndex = 0;
    const aside = add("aside", main);
    this.next = add("h2", aside, "next");
    this.picture = add("img", aside);
    page.addEventListener("keydown", this.onKey);
    this.ticking = setInterval(() => this._tick(), 500);
    return this._tick();
  }

  /** view and next: as the presenter has them, null while they are on their way or where there is no other. */
  show(at, n, view, next, address) {
    if (!this.isOpen) return;
    this.title.textContent = `${at + 1} / ${n}  ${view?.title ?? ""}`;
    this.notes.textContent = view?.notes || "No speaker notes for this view.";
    this.next.textContent = next ? `Next: ${next.title}` : at + 1 < n ? "Next view" : "Last view";
    this.picture.hidden = !address;
    if (address) [this.picture.src, this.picture.alt] = [address, next.shows];
  }

  _tick() {
    if (!this.isOpen) return this.close();
    this.elapsed.textContent = duration(Date.now() - this.since);
    this.time.textContent = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    return undefined;
  }

  close() {
    clearInterval(this.ticking);
    if (this.isOpen) this.window.close();
    this.window = null;
  }
}
