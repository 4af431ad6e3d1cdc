"""Data for the viewer in the browser."""
