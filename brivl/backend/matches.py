"""Whether matches show what a text names: drawn scenes know what is in them."""

from __future__ import annotations

from collections.abc import Sequence

from brivl.backend.gallery_items import Gallery
from brivl.backend.prompts import named
from brivl.backend.retrieval import Query
from brivl.scenes.gallery import gallery_clip, gallery_scene
from brivl.scenes.scene import Scene


def count_showing(gallery: Gallery, query: Query, rows: Sequence[int]) -> int | None:
    """How many of the items show the one thing that the text names, in its colour if it names one.

    None where that cannot be said: the items are no drawings, the text names none or several, or is not all of it.
    """
    kinds, colours = named(query.text)
    if not gallery.simulated or query.image or query.minus.strip() or len(kinds) != 1 or len(colours) > 1:
        return None
    of = gallery_scene if gallery.kind == "image" else lambda row: gallery_clip(row).start
    return sum(_shows(of(int(row)), kinds[0], colours) for row in rows)


def _shows(scene: Scene, kind: str, colours: Sequence[str]) -> bool:
    return any(thing.kind == kind and (not colours or thing.colour in colours) for thing in scene.things)
