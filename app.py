"""BriVL explorer: `streamlit run app.py`."""

from __future__ import annotations

import streamlit as st

from brivl.ui.menu import navigate

st.set_page_config(page_title="BriVL explorer", layout="wide", initial_sidebar_state="expanded")
navigate()
