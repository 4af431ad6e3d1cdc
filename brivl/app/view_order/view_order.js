// The saved views as a list whose rows are dragged into another order; ↑ and ↓ on the page do the same.

const lists = new WeakMap();

class ViewOrder {
  constructor(parent) {
    this.root = document.createElement("ol");
    this.root.className = "view-order";
    this.root.setAttribute("aria-label", "Order of the views");
    this.root.addEventListener("pointermove", (event) => this._drag(event));
    for (const end of ["pointerup", "pointercancel"]) this.root.addEventListener(end, () => this._drop());
    parent.append(this.root);
  }

  /** data of Python: {views: [{id, title}]} in their order. */
  update({ views }, send) {
    this.send = send;
    const key = JSON.stringify(views);
    if (this.key === key || this.held) return;
    this.key = key;
    this.root.replaceChildren(...views.map((view) => this._row(view)));
  }

  _row({ id, title }) {
    const row = document.createElement("li");
    row.dataset.id = id;
    const grip = document.createElement("span");
    grip.className = "grip";
    grip.setAttribute("aria-hidden", "true");
    const text = document.createElement("span");
    text.textContent = title;
    row.append(grip, text);
    row.addEventListener("pointerdown", (event) => this._take(event, row));
    return row;
  }

  get rows() { return [...this.root.children]; }

  _take(event, row) {
    if (event.button !== 0) return;
    this.root.setPointerCapture(event.pointerId);
    this.held = { row, from: this.rows.indexOf(row) };
    row.classList.add("held");
    event.preventDefault();
  }

  /** Rows make way as soon as the pointer has passed their middle. */
  _drag(event) {
    if (!this.held) return;
    const { row } = this.held;
    const middle = (other) => { const box = other.getBoundingClientRect(); return box.top + box.height / 2; };
    for (let above = row.previousElementSibling; above && event.clientY < middle(above); above = row.previousElementSibling) row.after(above);
    for (let below = row.nextElementSibling; below && event.clientY > middle(below); below = row.nextElementSibling) row.before(below);
  }

  _drop() {
    if (!this.held) return;
    const { row, from } = this.held;
    this.held = null;
    row.classList.remove("held");
    const by = this.rows.indexOf(row) - from;
    this.key = null; // whatever Python answers is the order
    if (by) this.send({ id: row.dataset.id, by });
  }
}

export default function brivlViewOrder({ data, parentElement, setTriggerValue }) {
  if (!data) return undefined;
  if (!lists.has(parentElement)) lists.set(parentElement, new ViewOrder(parentElement));
  const list = lists.get(parentElement);
  list.update(data, (news) => setTriggerValue("moved", news));
  return () => { lists.delete(parentElement); list.root.remove(); };
}
