"""The map in the browser: plain JavaScript with WebGL2, mounted as a Streamlit component."""
