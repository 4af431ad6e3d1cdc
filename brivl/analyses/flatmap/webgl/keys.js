// The map by keyboard.

import { MAP_NAMES } from "./controls.js";

export const ZOOM = [0.8, 40];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FAR = 60; // pixels within which a neighbour is looked for

/** A key pressed on the viewer itself, not on one of its controls. */
export function onKey(viewer, event) {
  if (event.target !== viewer.root || event.ctrlKey || event.metaKey || event.altKey) return;
  const { layers } = viewer.scores;
  const zoom = (factor) => viewer._aim({ ...viewer.camera, zoom: Math.min(ZOOM[1], Math.max(ZOOM[0], viewer.camera.zoom * factor)) });
  const does = {
    "[": () => viewer.setLayerAt(layers.indexOf(viewer.layer) - 1),
    "]": () => viewer.setLayerAt(layers.indexOf(viewer.layer) + 1),
    m: () => viewer.setMap(MAP_NAMES[(MAP_NAMES.indexOf(viewer.map) + 1) % MAP_NAMES.length]),
    n: () => viewer.setNames(!viewer.names),
    e: () => viewer.setFade(!viewer.fade),
    0: () => viewer.resetCamera(),
    "+": () => zoom(1.25),
    "-": () => zoom(0.8),
    f: () => viewer.fullScreen(),
    "?": () => viewer.showKeys(),
    Escape: () => (viewer.keySheet.root.hidden ? viewer.clear() : viewer.showKeys()),
  }[event.key];
  if (ARROWS[event.key]) arrow(viewer, ARROWS[event.key], event.shiftKey);
  else if (does) does();
  else return;
  event.preventDefault();
}

/** Arrows move or turn the map; with Shift the picked voxel goes to its neighbour. */
function arrow(viewer, [dx, dy], walks) {
  const { camera, orbit, ground, picked } = viewer;
  if (viewer.shape === "slices") return undefined;
  if (viewer.shape !== "flat") {
    const pitch = Math.min(90, Math.max(-90, orbit.pitch - 6 * dy));
    return viewer._orbit({ ...orbit, yaw: orbit.yaw + 6 * dx, pitch });
  }
  if (!walks) {
    const step = 0.08 / camera.zoom;
    return viewer._aim({ ...camera, x: camera.x + dx * step, y: camera.y + dy * step });
  }
  const from = picked === null ? [camera.x * ground.width, camera.y * ground.height] : ground.place(picked);
  for (let far = 1; from && far < FAR; far++) {
    const voxel = ground.voxelAt(from[0] + dx * far, from[1] + dy * far);
    if (voxel >= 0 && voxel !== picked) return viewer.pick(voxel);
  }
  return undefined;
}
