"""What a headline compares: the fits that are there and those that are missing, and layers in words.

Headlines are made from the data: direction, size and number of effects, or that there is none. A headline compares
only what is complete: layers of which every requested subject is fitted, regions of all subjects, models whose
features differ. What is missing is said with k of n. "Split R²" is always named, since it says which model carries the
joint prediction and not what only that model explains; where unique and shared variance are known, the headline gives
them too. P values over the voxels of one subject never enter a headline.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from brivl.core.regions.variance_partitioning import MeanScores

ALPHA = 0.05
NO_DIFFERENCE = "no significant difference in split R²"
IDENTICAL = "the two models have identical features"
Fits = Collection[tuple[int, str]]  # layer, subject


@dataclass(frozen=True)
class Coverage:
    """Which of the fits that a figure asks for are there.

    Attributes
    ----------
    fitted : frozenset of (int, str)
        Layer and subject of each fit that is there.
    missing : frozenset of (int, str)
        Layer and subject of each fit that is not.
    identical : frozenset of int
        Layers at which the two models have identical features.
    """

    fitted: frozenset[tuple[int, str]]
    missing: frozenset[tuple[int, str]] = frozenset()
    identical: frozenset[int] = frozenset()

    @classmethod
    def of(cls, fitted: Fits, missing: Fits = (), identical: Collection[int] = ()) -> Coverage:
        """Build the record from any collections.

        Parameters
        ----------
        fitted : collection of (int, str)
            Layer and subject of each fit that is there.
        missing : collection of (int, str)
            Layer and subject of each fit that is not.
        identical : collection of int
            Layers at which the two models have identical features.

        Returns
        -------
        Coverage
            The record.
        """
        return cls(frozenset(fitted), frozenset(missing), frozenset(identical))

    @property
    def n_layers(self) -> int:
        """Requested layers."""
        return len({layer for layer, _ in self.fitted | self.missing})

    @property
    def layers(self) -> list[int]:
        """Layers of which some subject is fitted."""
        return sorted({layer for layer, _ in self.fitted})

    @property
    def complete_layers(self) -> list[int]:
        """Layers of which every requested subject is fitted."""
        lacking = {layer for layer, _ in self.missing}
        return [layer for layer in self.layers if layer not in lacking]

    @property
    def subjects(self) -> list[str]:
        """Subjects of whom some layer is fitted."""
        return sorted({subject for _, subject in self.fitted})

    @property
    def n_subjects(self) -> int:
        """Requested subjects."""
        return len({subject for _, subject in self.fitted | self.missing})

    def n_at(self, layer: int) -> int:
        """Count the subjects fitted at a layer.

        Parameters
        ----------
        layer : int
            Layer of the models.

        Returns
        -------
        int
            Number of subjects.
        """
        return sum(one == layer for one, _ in self.fitted)

    @property
    def who(self) -> str:
        """Subjects in words: "S01", "8 subjects", or "2 of 8 subjects" while some have no fit."""
        if self.n_subjects == 1:
            return next(subject for _, subject in self.fitted | self.missing)
        k = len(self.subjects)
        return f"{k} subjects" if k == self.n_subjects else f"{k} of {self.n_subjects} subjects"

    @property
    def fits(self) -> str:
        """Fits in words, "40 of 96 fits"; "" where none is missing."""
        n = len(self.fitted) + len(self.missing)
        return f"{len(self.fitted)} of {n} fits" if self.missing else ""


@dataclass(frozen=True)
class Facts:
    """What a headline about regions says beside the comparison itself.

    Attributes
    ----------
    who : str
        Subjects, such as "S01", "8 subjects" or "2 of 8 subjects".
    noun : str
        What the regions are called, in the plural.
    quantity : str
        What the scores are.
    missing : int
        Requested subjects of whom the layer is not fitted; the models are not compared before it is 0.
    identical : bool
        Whether the two models have identical features at the layer.
    scores : MeanScores or None
        Means over the voxels shown, with unique and shared variance; None where they are not given.
    """

    who: str
    noun: str = "ROIs"
    quantity: str = "R²"
    missing: int = 0
    identical: bool = False
    scores: MeanScores | None = None


def layer_span(subset: Sequence[int], layers: Sequence[int], is_all: bool = True) -> str:
    """Describe some of the layers: "at every layer", "from layer 4 on", "at layers 4–8 and 10".

    Parameters
    ----------
    subset : sequence of int
        Layers to describe, in ascending order.
    layers : sequence of int
        All layers that are compared.
    is_all : bool
        Whether these are all layers of the models; only then "every layer" and "from layer 4 on" are said.

    Returns
    -------
    str
        Description.
    """
    whole = list(subset) == list(layers) and len(layers) > 1
    if is_all and whole:
        return "at every layer"
    if whole:
        return f"at {'both' if len(layers) == 2 else f'all {len(layers)}'} layers compared ({layer_runs(layers)})"
    if is_all and len(subset) > 1 and list(subset) == list(layers)[-len(subset) :]:
        return f"from layer {subset[0]} on"
    return f"at layer{'s' if len(subset) > 1 else ''} {layer_runs(subset)}"


def layer_runs(layers: Sequence[int]) -> str:
    """List layers, runs of them shortened.

    Parameters
    ----------
    layers : sequence of int
        Layers, in ascending order.

    Returns
    -------
    str
        Such as "1, 3–4 and 6".
    """
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    words = [str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
