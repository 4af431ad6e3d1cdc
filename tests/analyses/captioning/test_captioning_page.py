"""The page Caption under AppTest, as a visitor sees it."""

from __future__ import annotations

import io

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from brivl.analyses.captioning.analysis import CAPTIONING
from brivl.analyses.captioning.compute import ImageCaption, things_right
from brivl.analyses.captioning.request import CaptioningRequest
from brivl.analyses.captioning.tables import FUNCTION_WORDS, NO_MAP, OUT_OF_DOMAIN
from brivl.analysis import run, stored
from brivl.config import cache_dir
from brivl.data.stimuli.images import referenced_image, store_upload
from brivl.jobs.queue import JobQueue
from brivl.sharing.analysis_evidence import label_of
from brivl.store.artifacts import Store
from brivl.ui import cached
from tests.support.app_driver import APP, PATIENCE, SLEEPER, button, headline, html


@pytest.fixture(autouse=True)
def studio(monkeypatch: pytest.MonkeyPatch):
    """A server of its own, whose worker only sleeps."""
    st.cache_resource.clear()
    st.cache_data.clear()
    monkeypatch.setattr(cached, "open_model_queue", lambda root: JobQueue(root, command=SLEEPER))
    yield
    cached.model_queue().shutdown()


def open_captions(**fields: str) -> AppTest:
    at = AppTest.from_file(str(APP), default_timeout=PATIENCE)
    for name, value in fields.items():
        at.query_params[name] = value
    return at.switch_page("pages/captioning.py").run()


def fill(reference: str, beam: int) -> dict[str, ImageCaption]:
    return dict(run(CAPTIONING, Store(cache_dir()), CaptioningRequest(reference, beam)).captions)


def test_both_captioners_with_a_map_for_each_word():
    said = fill("scene:4", 1)
    at = open_captions(image="scene:4")
    assert not at.exception and not at.error
    page = "\n".join(m.value for m in at.markdown)
    for one in said.values():
        assert f"**{one.text}**" in page
    chosen = referenced_image(Store(cache_dir()), "scene:4")
    counts = [things_right(chosen, one.text) for one in said.values()]
    assert f"names {counts[0][0]} of {counts[0][1]} thing" in headline(at)
    assert f", ViT-mini names {counts[1][0]}<" in headline(at)
    assert "demo models" in html(at) and "SIMULATED" in html(at) and "greedy" in html(at)
    assert f"- {chosen.caption}" in page
    for words, left_out in (("content", NO_MAP | FUNCTION_WORDS), ("all", NO_MAP)):
        at.segmented_control[1].set_value(words).run()
        shown = [text for image in at.get("image") for text in image.captions if text]
        wanted = [word for one in said.values() for word in one.words if word not in left_out]
        assert [text.split()[0] for text in shown] == wanted


def test_the_switch_asks_for_a_beam_and_stays_in_the_address():
    fill("scene:4", 1)
    said = fill("scene:4", 3)
    at = open_captions(image="scene:4", n_beams="3")
    at.segmented_control[0].set_value("beam").run()
    assert at.query_params["search"] in ("beam", ["beam"]) and at.slider[0].value == 3
    assert "beam of 3" in html(at)
    assert all(f"**{one.text}**" in [m.value for m in at.markdown] for one in said.values())


def test_what_is_not_known_is_asked_for_at_once_and_can_be_cancelled():
    at = open_captions(image="scene:9")
    assert not at.exception and not at.error
    assert "How do the two captioners describe the image?" in html(at)
    assert len(at.get("image")) == 1  # the picture is there already
    button(at, "Cancel").click().run()
    assert "Cancelled" in " ".join(i.value for i in at.info)
    assert button(at, "Try again")


def test_an_image_that_is_no_drawn_scene_is_said_first_and_in_amber():
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(buffer, "PNG")
    reference = store_upload(Store(cache_dir()), buffer.getvalue(), "photo.png")
    fill(reference, 1)
    at = open_captions(image=reference)
    assert not at.exception and not at.error
    page = html(at)
    assert page.index('class="bx-warning">Out of domain: ') < page.index('class="bx-headline"')
    assert headline(at).count("Out of domain: BriVL") == 1 and "SIMULATED" not in page
    result = stored(CAPTIONING, Store(cache_dir()), CaptioningRequest(reference, 1))
    assert label_of(CAPTIONING, result, {}).caption.startswith(OUT_OF_DOMAIN)
    assert CAPTIONING.summary(result)["warnings"] == [OUT_OF_DOMAIN]


@pytest.mark.parametrize("image", ["scene:99999", "upload:0123456789abcdef", "../etc", ""])
def test_a_link_to_no_picture_is_a_sentence(image):
    at = open_captions(image=image)
    assert not at.exception and len(at.error) == 1 and len(at.error[0].value) > 20


def test_a_link_with_odd_values_still_answers():
    fill("scene:4", 1)
    at = open_captions(image="scene:4", search="magic", n_beams="many")
    assert not at.exception and not at.error and "greedy" in html(at)
