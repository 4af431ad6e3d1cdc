"""BriVL explorer, started by `brivl app`."""

from __future__ import annotations

import streamlit as st

from brivl.threads import set_threads

set_threads()  # before pages import numpy, which reads the settings then

from brivl.ui.menu import navigate  # noqa: E402

st.set_page_config(page_title="BriVL explorer", layout="wide", initial_sidebar_state="auto")
navigate()
