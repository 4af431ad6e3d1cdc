"""The server of the explorer: Streamlit with the menu of app.py from its start."""

from __future__ import annotations

from streamlit.runtime.pages_manager import PagesManager
from streamlit.web.cli import main

# Until st.navigation has been called once, Streamlit takes a folder pages/ for a menu of its older kind. A first
# visitor who comes by a link of an earlier version (/retrieve) would then find "Page not found" over the page that the
# link opens.
PagesManager.uses_pages_directory = False

if __name__ == "__main__":
    main(prog_name="streamlit")
