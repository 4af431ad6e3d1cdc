"""What every dataset answers, whether it is a phantom, a published set or the user's own folder."""

from __future__ import annotations

from typing import Protocol

from brivl.core.records import Design, Responses, Stimulus, Truth
from brivl.errors import RequestError


class Dataset(Protocol):
    """A set of subjects, each with a design, a stimulus and responses that share their rows.

    `digest(subject)` changes when the content of any file that the subject's answers depend on changes.
    `models` names feature spaces that come with the data; empty where models are run on the stimulus.
    """

    name: str
    title: str
    simulated: bool
    licence: str
    citation: str
    subjects: tuple[str, ...]
    models: tuple[str, ...]

    def design(self, subject: str) -> Design: ...

    def stimulus(self, subject: str) -> Stimulus: ...

    def responses(self, subject: str) -> Responses: ...

    def truth(self, subject: str) -> Truth | None: ...

    def digest(self, subject: str) -> str: ...


def check_subject(dataset: Dataset, subject: str) -> None:
    """Raise RequestError where the dataset has no such subject."""
    if subject not in dataset.subjects:
        raise RequestError(
            f"Dataset {dataset.name!r} has no subject {subject!r}; choose one of {', '.join(dataset.subjects)}."
        )


def stimulus_kind(dataset: Dataset, subject: str) -> str:
    """Kind of a dataset's stimuli; without building them where that is possible."""
    dataset = getattr(dataset, "base", dataset)  # a null control shows what its base shows
    return getattr(dataset, "stimulus_kind", None) or dataset.stimulus(subject).kind
