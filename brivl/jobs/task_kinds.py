"""Descriptions of tasks for people: its title, its stages, and how long it usually takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brivl.store.digests import JSON

SHORT_SECONDS = 30.0  # a task that usually takes no longer is short

# Starts of progress messages that belong to one stage.
_STIMULI = ("Drawing", "Placing", "Simulating")
_FEATURES = ("Features of", "Embedding the stimuli", "Captioning the stimuli", "Describing the stimuli")
_FITS = ("Fitting layer",)
_FLATMAP = ("Preparing the flatmap", "Testing within")


@dataclass(frozen=True)
class TaskKind:
    """One kind of task.

    Attributes
    ----------
    title : str
        What people call it.
    seconds : float
        Usual duration on two cores, of one fit where the request lists fits; runs of this server replace it.
    stages : tuple[tuple[str, ...], ...]
        For each stage, in order, the starts of its progress messages.
    """

    title: str
    seconds: float = 60.0
    stages: tuple[tuple[str, ...], ...] = ()


# Seconds: from walks through the pages on two cores with simulated data.
KINDS: Mapping[str, TaskKind] = {
    "sweep": TaskKind("Fit", 50, (_STIMULI, _FEATURES, _FITS, _FLATMAP)),
    "parts": TaskKind("Variance partitioning", 30, (_FEATURES, (*_FITS, "Fitting"))),
    "infer": TaskKind("Within-subject tests", 60, (_FEATURES, ("Predicting",))),
    "infer-each": TaskKind("Within-subject tests", 60),
    "flatmap": TaskKind("Flatmap", 15),
    "time-course": TaskKind("Time course", 5),
    "audit": TaskKind("Audit", 600),
    "decoding": TaskKind("Decoding", 300, (_STIMULI, _FEATURES, ("Decoding",), ("Captioning the held-out",))),
    "integration": TaskKind(
        "Integration", 600, (_STIMULI, _FEATURES, ("Fitting", "Predicting"), ("Fitting all together",), _FLATMAP)
    ),
    "transfer": TaskKind("Transfer", 200, (_STIMULI, _FEATURES, ("Fitting", "Scoring"), ("Looking for",), _FLATMAP)),
    "voxel_captions": TaskKind(
        "Voxel captions", 90, (_STIMULI, _FEATURES, ("Fitting",), ("Comparing",), ("Generating",), _FLATMAP)
    ),
    "drive": TaskKind("Drive", 400, (_STIMULI, _FEATURES, ("Fitting",), ("Comparing",), ("Generating",), _FLATMAP)),
    "alignment": TaskKind("Alignment", 600, (_STIMULI, _FEATURES, ("Components",), ("Training",), _FLATMAP)),
    "retrieval": TaskKind("Retrieval", 10, (("Reading",), ("Embedding",), ("Building",))),
    "gallery-recall": TaskKind("Retrieval accuracy", 120),
    "attention": TaskKind("Attention", 5),
    "attention-eval": TaskKind("Pointing accuracy", 120),
    "captioning": TaskKind("Captioning", 5),
    "generation": TaskKind("Generation", 60),
    "download": TaskKind("Download", 600),
    "cache-verify": TaskKind("Verify the cache", 60),
    "cache-prune": TaskKind("Prune the cache", 5),
}


def kind_of(request: Mapping[str, JSON]) -> TaskKind:
    """Look up the kind of a request.

    Parameters
    ----------
    request : Mapping[str, JSON]
        As for `brivl.jobs.queue.JobQueue.submit`.

    Returns
    -------
    TaskKind
        Its kind; for a task that has none here, one without stages whose title is the name of the task.
    """
    name = str(request.get("task", ""))
    return KINDS.get(name, TaskKind(name.replace("_", " ").replace("-", " ").capitalize() or "Job"))


def n_units(request: Mapping[str, JSON]) -> int:
    """Count the fits that a request lists.

    Parameters
    ----------
    request : Mapping[str, JSON]
        As for `brivl.jobs.queue.JobQueue.submit`.

    Returns
    -------
    int
        At least 1.
    """
    counts = [len(request[name]) for name in ("fits", "asked") if isinstance(request.get(name), list)]
    return max([1, *counts])


def stage_of(kind: TaskKind, message: str, earlier: int) -> int:
    """Find the stage that a progress message belongs to.

    Fits of a sweep run side by side and report in turn, so a stage never goes back.

    Parameters
    ----------
    kind : TaskKind
        The kind of task.
    message : str
        The message.
    earlier : int
        Stage before it, counted from 1; 0 for none.

    Returns
    -------
    int
        Number of the stage; the longest start that matches decides, and without one it stays as it was.
    """
    matches = [
        (len(start), number)
        for number, starts in enumerate(kind.stages, 1)
        for start in starts
        if message.startswith(start)
    ]
    return max(earlier, max(matches)[1]) if matches else earlier


def describe_request(request: Mapping[str, JSON]) -> str:
    """Describe a request in a line.

    Parameters
    ----------
    request : Mapping[str, JSON]
        As for `brivl.jobs.queue.JobQueue.submit`.

    Returns
    -------
    str
        "phantom-sentences · layer 4 · 8 subjects" for fits, "Audit · phantom-movie · S01 · layer 8" for others.
    """
    named = list(_named(request))
    words = [] if request.get("task") == "sweep" and named else [kind_of(request).title]
    words += list(dict.fromkeys(_short(str(fields["dataset"])) for fields in named))[:1]
    words += _count("subject", "{}", [fields.get("subject") for fields in named])
    words += _count("layer", "layer {}", [fields.get("layer") for fields in named])
    return " · ".join(words)


def _named(value: Any) -> Iterator[Mapping[str, Any]]:
    """All mappings within a request that name a dataset."""
    if isinstance(value, Mapping):
        if isinstance(value.get("dataset"), str):
            yield value
        else:
            for inner in value.values():
                yield from _named(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _named(inner)


def _count(what: str, one: str, values: list[Any]) -> list[str]:
    """The value where all agree, else how many there are."""
    different = list(dict.fromkeys(value for value in values if value is not None))
    if not different:
        return []
    return [one.format(different[0]) if len(different) == 1 else f"{len(different)} {what}s"]


def _short(name: str) -> str:
    return Path(name).name if Path(name).is_absolute() else name
