"""What the panes of the map can show side by side: the question, and others with answers on the same voxels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from brivl.analyses.flatmap import cached_maps
from brivl.core.encoding.presets import PRESETS
from brivl.core.records import Voxels
from brivl.ui.results import Shown, look_up
from brivl.ui.url_state import ALL, Choices
from brivl.viz.browser.packing import Packed

MOST_SETS = 24
BAR = "|"


@dataclass(frozen=True)
class MapSet:
    """Scores at all layers of one question."""

    key: str  # models, subject and preset: what a link says
    title: str  # what tells it from the question
    shown: Shown

    def at_all_layers(self) -> Shown:
        """Look up the same question at every layer.

        Returns
        -------
        Shown
            Fits of all layers that have been fitted.
        """
        return look_up(self.shown.choices, self.shown.summary, self.shown.choices.layers)

    def packed(self, layers: Shown | None = None) -> Packed:
        """Pack the scores for the browser.

        Parameters
        ----------
        layers : Shown or None
            Fits of all layers; None to look them up.

        Returns
        -------
        Packed
            Bytes for the browser.
        """
        layers = layers or self.at_all_layers()
        return cached_maps.browser_scores(layers.answers, self.shown.names)


def key_of(choices: Choices) -> str:
    """Name the scores that a question is about.

    Parameters
    ----------
    choices : Choices
        The question.

    Returns
    -------
    str
        Models, subject and preset, joined by BAR.
    """
    return BAR.join((*choices.models, choices.subject, choices.preset))


def choices_from_key(key: str, choices: Choices) -> dict[str, str]:
    """Read a key that `key_of` has made.

    Parameters
    ----------
    key : str
        The key, from a link or the browser.
    choices : Choices
        The question, which says what there is.

    Returns
    -------
    dict of str to str
        Fields of the question: a, b, subject, preset; empty for a key of something else.
    """
    parts = key.split(BAR)
    if len(parts) != 4 or parts[2] not in (*choices.subjects, ALL) or parts[3] not in PRESETS:
        return {}
    return dict(zip(("a", "b", "subject", "preset"), parts, strict=True))


def map_sets(shown: Shown, voxels: Voxels) -> list[MapSet]:
    """List what panes can show side by side.

    Parameters
    ----------
    shown : Shown
        Fits at the layer shown.
    voxels : Voxels
        Their voxels.

    Returns
    -------
    list of MapSet
        The question first, then those on the same voxels that differ in subject, preset or models and are fitted at the
        layer shown; at most MOST_SETS.
    """
    sets = [MapSet(key_of(shown.choices), " and ".join(shown.names), shown)]
    for title, choices in _others(shown):
        if len(sets) == MOST_SETS:
            break
        other = look_up(choices, shown.summary)
        if other.answers and not other.missing and all(_same(f.voxels, voxels) for f in other.facts.values()):
            sets.append(MapSet(key_of(choices), title or " and ".join(other.names), other))
    return sets


def _others(shown: Shown) -> Iterator[tuple[str, Choices]]:
    """(title, question); no title: the models' names."""
    choices = shown.choices
    for subject in (*choices.subjects, ALL):
        if subject != choices.subject and len(choices.subjects) > 1:
            yield ("all subjects" if subject == ALL else subject), replace(choices, subject=subject)
    for preset in PRESETS:
        if preset != choices.preset:
            yield f"preset {preset}", replace(choices, preset=preset)
    for a, b in permutations(shown.summary.model_options, 2):
        if {a, b} != set(choices.models) and choices.layer <= shown.summary.n_layers((a, b)):
            yield "", replace(choices, a=a, b=b, n_layers=shown.summary.n_layers((a, b)))


def _same(one: Voxels, other: Voxels) -> bool:
    return one.mapper == other.mapper and np.array_equal(one.ijk, other.ijk)
