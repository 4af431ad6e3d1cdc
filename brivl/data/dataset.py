"""The interface that every dataset fulfils: simulated sets, published sets and the user's own folders."""

from __future__ import annotations

from typing import Protocol

from brivl.core.records import Design, Responses, Stimulus, StimulusKind, Truth
from brivl.errors import RequestError


class DatasetIdentity(Protocol):
    """What cache keys need to know of a dataset, without its data. All attributes are read-only."""

    @property
    def name(self) -> str:
        """Name without the folders before it."""

    @property
    def subjects(self) -> tuple[str, ...]:
        """Names of the subjects."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the feature spaces that come with the data; empty where models are run on the stimulus."""

    @property
    def stimulus_kind(self) -> StimulusKind:
        """Kind of the stimuli, known without building them."""

    def digest(self, subject: str) -> str:
        """Return the digest of the data of a subject.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        str
            Digest that changes with the content of any file that results of the subject depend on.
        """


class Dataset(DatasetIdentity, Protocol):
    """A set of subjects, each with a design, a stimulus and responses that share their rows.

    All attributes are read-only, so that frozen dataclasses fulfil the interface with fields or with properties.
    """

    @property
    def title(self) -> str:
        """Title for menus and figures."""

    @property
    def simulated(self) -> bool:
        """Whether the responses are simulated."""

    @property
    def licence(self) -> str:
        """Licence, or where its terms are found."""

    @property
    def citation(self) -> str:
        """What to cite."""

    def design(self, subject: str) -> Design:
        """Return the design of a subject.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Design
            Order of the samples and which of them are held out.
        """

    def stimulus(self, subject: str) -> Stimulus:
        """Return the stimulus of a subject.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Stimulus
            Items and their weight in every sample.
        """

    def responses(self, subject: str) -> Responses:
        """Return the responses of a subject.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Responses
            Responses of all voxels.
        """

    def truth(self, subject: str) -> Truth | None:
        """Return what was simulated in a subject.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Truth or None
            Simulated ground truth; None for measured data.
        """


def check_subject(dataset: DatasetIdentity, subject: str) -> None:
    """Check that a dataset has a subject.

    Parameters
    ----------
    dataset : DatasetIdentity
        The dataset.
    subject : str
        Name of the subject.

    Raises
    ------
    RequestError
        The dataset has no such subject.
    """
    if subject not in dataset.subjects:
        raise RequestError(
            f"Expected a subject of the dataset, got {subject!r}. Choose one of the subjects of {dataset.name!r}: "
            f"{', '.join(dataset.subjects)}."
        )
