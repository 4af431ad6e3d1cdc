"""Controls of the sidebar agree with the question on every page, however often pages change."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from tests.support.app_driver import APP, PATIENCE

QUESTION = {
    "data": "phantom-movie:120/20",
    "a": "vit-mini",
    "b": "brivl-mini",
    "layer": "5",
    "subject": "S02",
    "preset": "paper",
}


def shown(at: AppTest) -> dict[str, str]:
    """What a browser shows that has just mounted the controls: the value it is told, else the default."""
    boxes = {name: at.selectbox(key=f"choose {name}").proto for name in ("data", "a", "b")}
    found = {name: box.raw_value if box.set_value else box.options[box.default] for name, box in boxes.items()}
    for group in at.get("button_group"):
        proto, name = group.proto, group.key.removeprefix("choose ")
        if name in ("subject", "preset"):
            told, first = list(proto.raw_values), [proto.options[i].content for i in proto.default]
            found[name] = ", ".join(told if proto.set_value else first)
    slider = at.slider(key="choose layer").proto
    found["layer"] = str(round((slider.value if slider.set_value else slider.default)[0]))
    words = {f"{title} (demo)": name for title, name in (("ViT-mini", "vit-mini"), ("BriVL-mini", "brivl-mini"))}
    words |= {"leakage-free": "strict", "as published": "paper"}
    return {name: words.get(value, value.removesuffix(" (simulated)")) for name, value in found.items()}


@pytest.mark.parametrize("pages", [("layers", "flatmap", "regions", "flatmap", "home", "layers", "audit")])
def test_controls_show_the_question_after_every_change_of_page(pages: tuple[str, ...]) -> None:
    at = AppTest.from_file(str(APP), default_timeout=PATIENCE)
    for name, value in QUESTION.items():
        at.query_params[name] = value
    for page in pages:
        at.switch_page(f"pages/{page}.py").run()
        assert not at.exception
        assert shown(at) == QUESTION, page


def test_a_change_on_the_second_page_is_kept_on_the_third() -> None:
    at = AppTest.from_file(str(APP), default_timeout=PATIENCE)
    for name, value in QUESTION.items():
        at.query_params[name] = value
    at.switch_page("pages/layers.py").run()
    at.switch_page("pages/flatmap.py").run()
    at.slider(key="choose layer").set_value(7).run()
    at.switch_page("pages/regions.py").run()
    assert not at.exception and shown(at) == QUESTION | {"layer": "7"}
