"""Figures: style, colour maps, flatmaps, export to files and slides, data for the browser."""
