"""Whether items of a gallery show what a text names: drawn scenes know what is in them."""

from __future__ import annotations

from dataclasses import dataclass

from brivl.backend.gallery_items import Gallery
from brivl.backend.prompts import named
from brivl.scenes.gallery import gallery_clip, gallery_scene


@dataclass(frozen=True)
class Showing:
    """The thing that a text names, such as "red car", and the rows of the gallery that show it."""

    thing: str
    rows: frozenset[int]


def items_showing(gallery: Gallery, text: str) -> Showing | None:
    """All items with the one thing that the text names, in its colour if it names one.

    None where that cannot be said: items are no drawings, or the text names no thing, several, or several colours.
    """
    kinds, colours = named(text)
    if not gallery.simulated or len(kinds) != 1 or len(colours) > 1:
        return None
    rows = frozenset(row for row in range(len(gallery)) if _shows(gallery, row, kinds[0], colours))
    return Showing(" ".join([*colours, *kinds]), rows)


def _shows(gallery: Gallery, row: int, kind: str, colours: tuple[str, ...]) -> bool:
    scene = gallery_scene(row) if gallery.kind == "image" else gallery_clip(row).start
    return any(thing.kind == kind and (not colours or thing.colour in colours) for thing in scene.things)
