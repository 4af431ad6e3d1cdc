"""How the files of a subject were read, in sentences for output, pages and methods, and what to beware of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import scipy.sparse

from brivl.core.encoding.delays import run_labels
from brivl.data.dataset import Dataset

SAME_WEIGHT = 0.05  # of a TR by which onsets of a repeat may differ
FEW_ITEMS = 10  # distinct items below which a comparison of models rests on next to nothing


@dataclass(frozen=True)
class Reading:
    """How the files of a subject were read.

    Attributes
    ----------
    notes : tuple of str
        Sentences: the column of the stimuli, rows that were left out, space, mask, cleaning.
    warnings : tuple of str
        Sentences on what makes scores misleading.
    chips : tuple of str
        What pages say beside the headline, in a few words each: form of the runs, and cleaning.
    is_provisional : bool
        Whether the fit, which reads BOLD, says more.
    """

    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    chips: tuple[str, ...] = ()
    is_provisional: bool = False

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Reading:
        """Make the record from the JSON that `to_json` made.

        Parameters
        ----------
        fields : mapping of str to list of str
            Notes, warnings and chips; any may be missing.

        Returns
        -------
        Reading
            The record.
        """
        notes, warnings, chips = (tuple(fields.get(name, ())) for name in ("notes", "warnings", "chips"))
        return cls(notes, warnings, chips)

    def to_json(self) -> dict[str, list[str]]:
        """Make lists for JSON.

        Returns
        -------
        dict of str to list of str
            Notes and warnings, and chips where there are any.
        """
        listed = {"notes": list(self.notes), "warnings": list(self.warnings)}
        return listed | ({"chips": list(self.chips)} if self.chips else {})


@runtime_checkable
class DescribesReading(Protocol):
    """A dataset whose files can be read in more than one way, and which says how it reads them."""

    def reading(self, subject: str) -> Reading:
        """Say how the files of a subject are read.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Reading
            Notes and warnings.
        """

    def reading_warnings(self, subject: str) -> tuple[str, ...]:
        """Return the warnings alone, which need no images to be opened.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        tuple of str
            Sentences.
        """


def reading_of(dataset: Dataset, subject: str) -> Reading:
    """Say how the files of a subject are read.

    Parameters
    ----------
    dataset : Dataset
        The dataset, or a null control of it.
    subject : str
        Name of the subject.

    Returns
    -------
    Reading
        Notes and warnings; empty for datasets that can be read in one way only.
    """
    base = getattr(dataset, "base", dataset)
    return base.reading(subject) if isinstance(base, DescribesReading) else Reading()


def reading_warnings(dataset: Dataset, subject: str) -> tuple[str, ...]:
    """Return the warnings of `reading_of`, which are needed before a fit.

    Parameters
    ----------
    dataset : Dataset
        The dataset, or a null control of it.
    subject : str
        Name of the subject.

    Returns
    -------
    tuple of str
        Sentences.
    """
    base = getattr(dataset, "base", dataset)
    return base.reading_warnings(subject) if isinstance(base, DescribesReading) else ()


def without_cleaning(dataset: Dataset) -> Dataset:
    """Return the same dataset, of which only the linear drift of each run is removed.

    Parameters
    ----------
    dataset : Dataset
        The dataset, or a null control of it.

    Returns
    -------
    Dataset
        The dataset itself where it is not cleaned here.
    """
    base = getattr(dataset, "base", None)
    if base is not None and is_dataclass(dataset) and not isinstance(dataset, type):
        return replace(dataset, base=without_cleaning(base))
    uncleaned = getattr(dataset, "without_cleaning", None)
    return dataset if uncleaned is None else uncleaned()


def few_items_warning(n_items: int, noun: str, column: str) -> str:
    """Warn of fewer than FEW_ITEMS distinct items.

    Parameters
    ----------
    n_items : int
        Number of distinct items.
    noun : str
        "images" or "texts".
    column : str
        Column of the events that names them.

    Returns
    -------
    str
        A sentence; "" where there are enough.
    """
    if n_items >= FEW_ITEMS:
        return ""
    shown = noun if n_items != 1 else noun.removesuffix("s")
    return (
        f"Only {n_items} distinct {shown} in the column {column}: features of any two models then differ by little "
        f"more than {n_items} label{'s' if n_items != 1 else ''}. Choose a column that names more items, if there is "
        "one."
    )


def recurrence_warning(weights: scipy.sparse.csr_matrix, run_onsets: Sequence[int] | np.ndarray, noun: str) -> str:
    """Warn of items that recur in other runs, so that runs held out hold no new items.

    Parameters
    ----------
    weights : scipy.sparse.csr_matrix
        (n_samples, n_items), as of `Stimulus`.
    run_onsets : sequence of int
        (n_runs,) first row of each run.
    noun : str
        "images" or "texts".

    Returns
    -------
    str
        Two sentences; "" where every item is in one run only.
    """
    runs = run_labels(np.asarray(run_onsets), weights.shape[0])
    in_run = scipy.sparse.csr_matrix((np.ones(len(runs)), (runs, np.arange(len(runs))))) @ (weights != 0).astype(float)
    n_runs_of_item = np.asarray((in_run > 0).sum(0)).ravel()
    n, n_recurring = int((n_runs_of_item > 0).sum()), int((n_runs_of_item > 1).sum())
    if not n_recurring:
        return ""
    return (
        f"{n_recurring} of {n} {noun} recur in other runs, so that a held-out run has few or no new items: R² then "
        "shows that the response to an item is repeatable, whatever the features are, and any two rich models look "
        "alike. Compare models on runs with new items."
    )


def repeats_of_a_run(weights: Sequence[scipy.sparse.csr_matrix]) -> tuple[int, ...]:
    """Find runs that present the same items at the same times, which can be the repeats of a test run.

    Parameters
    ----------
    weights : sequence of scipy.sparse.csr_matrix
        (n_samples, n_items) of each run.

    Returns
    -------
    tuple of int
        Numbers of the runs of the largest such group; empty where all runs differ, or fewer than two others are left.
    """
    groups: list[list[int]] = []
    for run, one in enumerate(weights):
        for group in groups:
            first = weights[group[0]]
            if first.shape == one.shape and abs(first - one).max() < SAME_WEIGHT:
                group.append(run)
                break
        else:
            groups.append([run])
    largest = max(groups, key=len, default=[])
    return tuple(largest) if len(largest) > 1 and len(weights) - len(largest) > 1 else ()
