"""Saved views full screen, one at a time: the browser's part."""
