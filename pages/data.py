"""Data: what there is of each dataset, and how to get the rest."""

from __future__ import annotations

from brivl.app.data import data_page

data_page()
