// What Streamlit calls: with bytes, which are kept for all viewers of the page, or with what a viewer shall show.

import { readHeader, unpack } from "./bytes.js";
import { Card } from "./card.js";
import { Ground } from "./ground.js";
import { Alone, Scores } from "./scores.js";
import { RegionView } from "./region_view.js";
import { Solid } from "./solid.js";
import { Viewer } from "./viewer.js";

const MOST_KEPT = 24;
const kept = new Map(); // id -> {made: Promise, resolve}
const viewers = new WeakMap();
const cards = new Set();

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
  const make = { solid: (packed) => new Solid(packed), ground: (packed) => new Ground(packed), scores: (packed) => new Scores(packed), alone: (packed) => new Alone(packed), course: (packed) => packed, members: (packed) => packed };
  at.resolve(unpack(bytes).then((packed) => make[packed.meta.kind](packed)));
}

async function showCard(card, data) {
  const turn = (card.turn = (card.turn ?? 0) + 1);
  if (!data.course || !slot(data.course).filled) card.update(data, null); // what is known at once; late news end here
  const course = data.course ? await slot(data.course).made : null;
  if (course && card.turn === turn) card.update(data, course);
}

/** Paint what is there: the layer shown as soon as it has come, all of them later. */
async function show(viewer, data, tell) {
  const turn = (viewer.turn = (viewer.turn ?? 0) + 1);
  const made = (ids) => Promise.all(ids.map((id) => (id ? slot(id).made : null)));
  const sent = data.sets.filter((s) => s.values);
  const whole = Promise.all([
    made([data.ground, data.solid]), made(sent.map((s) => s.values)), made(sent.map((s) => s.alone)),
  ]);
  const early = data.first && !slot(data.sets[0].values).filled;
  if (early) {
    const [ground, first] = await made([data.ground, data.first]);
    const sets = data.sets.map((s, i) => ({ ...s, values: i ? null : data.first, alone: null }));
    if (viewer.turn === turn) viewer.update({ ...data, sets, solid: null }, ground, null, [first], [null], tell);
  }
  const [[ground, solid], scores, alone] = await whole;
  if (viewer.turn === turn) viewer.update(data, ground, solid, scores, alone, tell, early);
}

/** Rows at once where there is no map; else when the map is there. */
async function showRegions(view, data, tell) {
  const turn = (view.turn = (view.turn ?? 0) + 1);
  const [ground, members] = await Promise.all([data.ground, data.members].map((id) => (id ? slot(id).made : null)));
  if (view.turn === turn) view.update(data, ground, members, tell);
}

function complain(parentElement, error) {
  const box = document.createElement("p");
  box.setAttribute("role", "alert");
  box.textContent = String(error.message) === "no WebGL2"
    ? "This browser shows no WebGL2, which the map needs. Switch on “Static figure”."
    : `The map could not be drawn: ${error.message}`;
  parentElement.append(box);
}

export default function brivlViewer({ data, parentElement, setTriggerValue }) {
  if (data instanceof Uint8Array) {
    keep(data);
    return undefined;
  }
  if (!data) return undefined;
  if (data.kind === "regions") {
    if (!viewers.has(parentElement)) viewers.set(parentElement, new RegionView(parentElement));
    const view = viewers.get(parentElement);
    showRegions(view, data, (news) => setTriggerValue("settled", news)).catch((error) => complain(parentElement, error));
    return () => { view.watch.disconnect(); viewers.delete(parentElement); view.root.remove(); };
  }
  const isCard = data.kind === "card";
  let viewer = viewers.get(parentElement);
  if (!viewer) {
    viewer = isCard ? new Card(parentElement) : new Viewer(parentElement);
    viewers.set(parentElement, viewer);
    if (isCard) cards.add(viewer);
    else viewer.onPick = (known) => cards.forEach((card) => card.preview(known));
  }
  if (isCard) {
    showCard(viewer, data).catch((error) => complain(parentElement, error));
    return () => { viewers.delete(parentElement); cards.delete(viewer); viewer.root.remove(); };
  }
  show(viewer, data, (news) => setTriggerValue("settled", news)).catch((error) => complain(parentElement, error));
  return () => { viewer.close(); viewers.delete(parentElement); viewer.root.remove(); };
}
