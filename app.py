"""BriVL explorer: `streamlit run app.py`."""

from __future__ import annotations

import streamlit as st

st.set_page_config(page_title="BriVL explorer", layout="wide", initial_sidebar_state="expanded")
st.navigation(
    [
        st.Page("pages/home.py", title="Home", default=True),
        st.Page("pages/layers.py", title="Layers"),
        st.Page("pages/flatmap.py", title="Flatmap"),
        st.Page("pages/regions.py", title="Regions"),
    ],
    position="top",
).run()
