"""Flatmap figures for the page and for print."""
