// Run in the page by brivl/bench/views.py. Times are in ms; the GPU is waited for by reading a pixel back.
() => {
  const roots = [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")].map((e) => e.shadowRoot);
  const viewer = roots.map((root) => root?.querySelector(".viewer")).find(Boolean).brivl;
  const pane = viewer.panes[0];
  const { stage } = pane;
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const finish = () => { const gl = pane.painter.gl; gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4)); };
  const box = () => stage.getBoundingClientRect();
  const event = (kind, x, y) => new PointerEvent(kind, { clientX: x, clientY: y, button: 0, pointerId: 1, bubbles: true });

  async function hover(n) {
    const times = [];
    const { left, top, width, height } = box();
    for (let i = 0; i < n; i++) {
      const x = left + width * (0.15 + 0.7 * ((i * 0.618) % 1));
      const y = top + height * (0.2 + 0.6 * ((i * 0.382) % 1));
      const start = performance.now();
      stage.dispatchEvent(event("pointermove", x, y));
      pane.tip.getBoundingClientRect();
      times.push(performance.now() - start);
      await frame();
    }
    stage.dispatchEvent(event("pointerleave", left, top));
    return times;
  }

  /** From the choice of a layer to its picture on the canvas. */
  async function layers(rounds) {
    const times = [];
    for (let i = 0; i < rounds * viewer.scores.layers.length; i++) {
      await frame();
      const start = performance.now();
      viewer.setLayerAt(i % viewer.scores.layers.length);
      pane.draw();
      finish();
      times.push(performance.now() - start);
    }
    return times;
  }

  /** Frames a second while the map goes in circles. */
  async function pan(ms) {
    let frames = 0;
    const start = performance.now();
    const before = { ...viewer.camera };
    while (performance.now() - start < ms) {
      const angle = (performance.now() - start) / 300;
      viewer._aim({ x: 0.5 + 0.1 * Math.cos(angle), y: 0.5 + 0.1 * Math.sin(angle), zoom: 1.5 });
      await frame();
      finish();
      frames += 1;
    }
    const seconds = (performance.now() - start) / 1000;
    viewer._aim(before);
    return frames / seconds;
  }

  /** From a click on the map to the voxel's card on the page, and to what only Python knows of it. */
  async function card(voxel) {
    const at = pane.toStage(viewer.ground.place(voxel));
    const { left, top } = box();
    const start = performance.now();
    for (const kind of ["pointerdown", "pointerup"]) stage.dispatchEvent(event(kind, left + at[0], top + at[1]));
    const picked = viewer.picked;
    const all = () => [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")].map((e) => e.shadowRoot);
    const there = (more) => all().some((root) => root?.querySelector(`.card[data-voxel="${picked}"]${more}`));
    const times = [];
    for (const more of ["", '[data-complete="true"]']) {
      while (!there(more) && performance.now() - start < 20000) await frame();
      times.push(performance.now() - start);
    }
    return times;
  }

  window.bench = { hover, layers, pan, card, size: [stage.clientWidth, stage.clientHeight], firstPaint: viewer.firstPaint, content: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0 };
}
