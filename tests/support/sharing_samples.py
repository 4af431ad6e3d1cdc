"""Figure records made of stored answers with small made-up numbers, for tests of what is shared."""

from __future__ import annotations

from brivl.analyses.figure_for import FigureRequest, make_figure
from brivl.sharing.figure_record import FigureRecord
from brivl.store.artifacts import Store
from tests.support.app_samples import MOVIE, SENTENCES, fill

PAIRS = {MOVIE: ("brivl-mini", "vit-mini"), SENTENCES: ("brivl-mini", "minilm-l6")}


def stored(name: str = MOVIE, layers: tuple[int, ...] = (8,), subjects: tuple[str, ...] = ("S01", "S02")) -> Store:
    """The test's own cache with these fits."""
    return fill(name, list(layers), list(subjects))


def figure_of(store: Store, page: str = "flatmap", name: str = MOVIE, **changes: object) -> FigureRecord:
    """The figure of answers in the store; nothing is fitted."""
    fields = {"layers": (8,), "subjects": ("S01",), "settings": {}} | changes
    return make_figure(store, FigureRequest(name, PAIRS[name], page=page, **fields))
