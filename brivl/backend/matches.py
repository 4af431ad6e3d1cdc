"""Whether matches show what a text names: drawn scenes know what is in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from brivl.backend.gallery_items import Gallery
from brivl.backend.prompts import named
from brivl.backend.retrieval import Query
from brivl.scenes.gallery import gallery_clip, gallery_scene


@dataclass(frozen=True)
class Showing:
    """How many matches show the thing that a text names, and how many items of the gallery do."""

    n_matches: int
    n_items: int
    thing: str  # "red car"


def count_showing(gallery: Gallery, query: Query, rows: Iterable[int]) -> Showing | None:
    """Count among the matches and in the gallery; the thing counts in its colour if the text names one.

    None where that cannot be said: items are no drawings, the text names none or several, or is not all of the query.
    """
    kinds, colours = named(query.text)
    if not gallery.simulated or query.image or query.minus.strip() or len(kinds) != 1 or len(colours) > 1:
        return None
    right = {row for row in range(len(gallery)) if _shows(gallery, row, kinds[0], colours)}
    return Showing(len(right & {int(row) for row in rows}), len(right), " ".join([*colours, *kinds]))


def _shows(gallery: Gallery, row: int, kind: str, colours: tuple[str, ...]) -> bool:
    scene = gallery_scene(row) if gallery.kind == "image" else gallery_clip(row).start
    return any(thing.kind == kind and (not colours or thing.colour in colours) for thing in scene.things)
