// What Streamlit calls: with bytes, which are kept for all viewers of the page, or with what a viewer shall show.

import { readHeader, unpack } from "./bytes.js";
import { Ground } from "./ground.js";
import { Scores } from "./scores.js";
import { Viewer } from "./viewer.js";

const MOST_KEPT = 24;
const kept = new Map(); // id -> {made: Promise, resolve}
const viewers = new WeakMap();

function slot(id) {
  if (!kept.has(id)) {
    let resolve;
    const made = new Promise((done) => { resolve = done; });
    kept.set(id, { made, resolve, filled: false });
    for (const old of [...kept.keys()].slice(0, Math.max(0, kept.size - MOST_KEPT))) kept.delete(old);
  }
  return kept.get(id);
}

/** Keep bytes under their id; a ground or scores are made of them once. */
function keep(bytes) {
  const at = slot(readHeader(bytes).id);
  if (at.filled) return;
  at.filled = true;
  at.resolve(unpack(bytes).then((packed) => (packed.meta.kind === "ground" ? new Ground(packed) : new Scores(packed))));
}

async function show(viewer, data, tell) {
  const turn = (viewer.turn = (viewer.turn ?? 0) + 1);
  const [ground, ...scores] = await Promise.all([data.ground, ...data.sets.map((s) => s.values)].map((id) => slot(id).made));
  if (viewer.turn === turn) viewer.update(data, ground, scores, tell);
}

function complain(parentElement, error) {
  const box = document.createElement("p");
  box.setAttribute("role", "alert");
  box.textContent = String(error.message) === "no WebGL2"
    ? "This browser shows no WebGL2, which the map needs. Switch on “Plain figure”."
    : `The map could not be drawn: ${error.message}`;
  parentElement.append(box);
}

export default function brivlViewer({ data, parentElement, setTriggerValue }) {
  if (data instanceof Uint8Array) {
    keep(data);
    return undefined;
  }
  if (!data) return undefined;
  let viewer = viewers.get(parentElement);
  if (!viewer) {
    viewer = new Viewer(parentElement);
    viewers.set(parentElement, viewer);
  }
  show(viewer, data, (news) => setTriggerValue("settled", news)).catch((error) => complain(parentElement, error));
  return () => { viewer.close(); viewers.delete(parentElement); viewer.root.remove(); };
}
