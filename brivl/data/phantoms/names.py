"""Names of the simulated datasets, without the imports that simulating them takes."""

from __future__ import annotations

PHANTOM_MOVIE = "phantom-movie"
PHANTOM_SENTENCES = "phantom-sentences"
PHANTOM_CATEGORIES = "phantom-categories"
PHANTOM_STORIES = "phantom-stories"
