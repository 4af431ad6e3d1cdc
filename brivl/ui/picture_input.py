"""Choosing an image: a scene of the gallery by number, or an upload."""

from __future__ import annotations

import streamlit as st

from brivl.data.stimuli.images import ReferencedImage, referenced_image, scene_reference, store_upload
from brivl.errors import BrivlError
from brivl.scenes.gallery import N_SCENES
from brivl.ui import cached, style
from brivl.ui.page_inputs import Inputs

FILES = ["png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "webp"]
SEEN = "upload taken"  # in the session: the last file that was taken in


def choose_picture(inputs: Inputs, name: str = "image") -> ReferencedImage:
    """Draw the controls in the sidebar.

    Parameters
    ----------
    inputs : Inputs
        Inputs of the page.
    name : str
        Name of the input that holds the reference of the image.

    Returns
    -------
    ReferencedImage
        What is chosen. RequestError is raised where a link names an image that does not exist; the controls stay.
    """
    with st.sidebar:
        _scene(inputs, name)
        _upload(inputs, name)
    return referenced_image(cached.store(), inputs[name])


def _scene(inputs: Inputs, name: str) -> None:
    kind, _, number = inputs[name].partition(":")
    shown = int(number) if kind == "scene" and number.isdecimal() and int(number) < N_SCENES else None
    key = f"scene of {name}"
    if st.session_state.get(key) != shown:
        st.session_state[key] = shown

    def take() -> None:
        if st.session_state[key] is not None:
            inputs.change(**{name: scene_reference(int(st.session_state[key]))})

    st.number_input(
        "Drawn scene (simulated)",
        0,
        N_SCENES - 1,
        value=None,
        step=1,
        key=key,
        on_change=take,
        help=f"One of the {N_SCENES:,} scenes of the gallery, none of which was trained on.",
    )


def _upload(inputs: Inputs, name: str) -> None:
    file = st.file_uploader("or an image of your own", FILES, key=f"upload of {name}")
    if file is None or st.session_state.get(SEEN) == file.file_id:
        return
    st.session_state[SEEN] = file.file_id
    try:
        inputs.change(**{name: store_upload(cached.store(), file.getvalue(), file.name)})
        st.rerun()
    except BrivlError as error:
        st.error(str(error))


def credit(chosen: ReferencedImage) -> None:
    """Draw where the image comes from.

    Parameters
    ----------
    chosen : ReferencedImage
        The image.
    """
    own = "Your image; it stays on this machine."
    style.small(own if chosen.scene is None else f"Drawn scene (simulated): {chosen.caption}")
