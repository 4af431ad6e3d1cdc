"""The viewer in Chromium without Streamlit: a page that mounts it as Streamlit does and keeps what it reports."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from brivl.analyses.flatmap.webgl import component
from brivl.viz.browser.packing import Packed
from brivl.viz.style import theme_of

SOFTWARE = ["--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader"]
ADDRESS = "http://viewer.test/"
PAGE = """<!doctype html><body style="margin:0"><div id="host" style="width:900px;height:560px"></div>
<script type="module">
import mount from "/viewer.js";
const root = document.getElementById("host").attachShadow({mode: "open"});
const style = document.createElement("style");
style.textContent = await (await fetch("/viewer.css")).text();
root.append(style);
window.news = [];
window.mount = (data) => {
  mount({data, parentElement: root, setTriggerValue: (name, value) => window.news.push(value)});
};
window.keep = (text) => mount({data: Uint8Array.from(atob(text), (c) => c.charCodeAt(0)), parentElement: root});
window.mounted = async (data) => {  // ends when the viewer shows these data
  window.mount(data);
  while (window.viewer().data !== data) await new Promise(requestAnimationFrame);
};
window.drawn = () => window.viewer().panes.every((pane) => !pane.waiting);
window.viewer = () => root.querySelector(".viewer").brivl;
window.ready = true;
</script>"""


def open_viewer(browser: Any, packed: list[Packed], data: Mapping[str, Any]) -> Any:
    """A page with a painted viewer; `window.viewer()` is the viewer, `window.news` what Python would have heard."""
    page = browser.new_page(viewport={"width": 920, "height": 600})
    page.set_default_timeout(120_000)
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.route(f"{ADDRESS}**", _serve)
    page.goto(ADDRESS)
    page.wait_for_function("window.ready")
    for part in packed:
        page.evaluate("(text) => window.keep(text)", base64.b64encode(part.data).decode())
    page.evaluate(f"window.mount({json.dumps(data)})")
    page.wait_for_function("document.getElementById('host').shadowRoot.querySelector('.viewer')?.brivl.firstPaint")
    return page


def _serve(route: Any) -> None:
    path = route.request.url.removeprefix(ADDRESS)
    bodies = {
        "": (PAGE, "text/html"),
        "viewer.js": (component.javascript(), "text/javascript"),
        "viewer.css": ((component.FOLDER / "viewer.css").read_text(encoding="utf-8"), "text/css"),
    }
    if path in bodies:
        route.fulfill(body=bodies[path][0], content_type=bodies[path][1])
    else:
        route.fulfill(status=404)


def viewer_data(ground: Packed, sets: Mapping[str, Packed], **view: Any) -> dict[str, Any]:
    """What Python gives the viewer (brivl.analyses.flatmap.viewer), with `view` in place of the usual one."""
    theme = theme_of("light")
    usual = {
        "map": "joint",
        "layer": 8,
        "set": next(iter(sets)),
        "region": None,
        "polygon": None,
        "picked": None,
        "names": True,
        "fade": False,
        "threshold": 0,
        "camera": {"x": 0.5, "y": 0.5, "zoom": 1},
        "limits": {"joint": 0.2, "split": 0.1, "difference": 0.05, "unique": 0.04, "shared": 0.15},
        "others": [],
    }
    return {
        "ground": ground.id,
        "sets": [{"key": k, "values": p.id, "title": k} for k, p in sets.items()],
        "seq": 0,
        "simulated": True,
        "label": "Map",
        "view": usual | view,
        "theme": {
            "text": theme.text,
            "muted": theme.muted,
            "background": theme.background,
            "a": theme.a_text,
            "b": theme.b_text,
            "joint": theme.joint,
            "curvature": list(theme.curvature),
            "negative": theme.negative,
            "dark": False,
            "truth": theme.truth,
            "measured": "#9AA5B1",
        },
    }
