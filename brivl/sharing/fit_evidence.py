"""Fits as the evidence behind a figure: methods, code, fingerprint, manifest and maps of a set of fits."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from brivl.core.records import Voxels
from brivl.core.regions.variance_partitioning import VariancePartition
from brivl.data.subject_facts import SubjectFacts
from brivl.data.summary import DatasetSummary
from brivl.encoding.fit import FitResult, fit_key
from brivl.encoding.single_model import stored_partition, stored_single_models
from brivl.sharing.citations import works
from brivl.sharing.fingerprints import Fingerprint, fingerprint, parts_summary, result_digest, scores_digest, summary
from brivl.sharing.methods import (
    Done,
    FigureMethods,
    cli_lines,
    figure_command,
    figure_lines,
    methods_paragraph,
    preset_reasons,
    python_lines,
)
from brivl.store.artifacts import Store

Key = tuple[int, str]  # layer, subject


@dataclass(frozen=True)
class FitEvidence:
    """Fits, and the texts and files of a figure that rests on them.

    Attributes
    ----------
    summary : DatasetSummary
        The dataset.
    answers : mapping of (int, str) to FitResult
        (layer, subject) -> fit.
    facts : mapping of str to SubjectFacts
        Subject -> voxels and timing.
    map_layer : int
        Layer whose scores are maps.
    region : str
        Region of the voxels; "all" without one.
    figure : FigureMethods
        What the figure adds to the methods of the fits.
    """

    summary: DatasetSummary
    answers: Mapping[Key, FitResult]
    facts: Mapping[str, SubjectFacts]
    map_layer: int
    region: str = "all"
    figure: FigureMethods = FigureMethods()

    @property
    def done(self) -> Done:
        """The fits as the methods paragraph takes them."""
        first = next(iter(self.answers.values())).request.subject
        timings = {subject: facts.timing for subject, facts in self.facts.items()}
        readings = {subject: facts.reading for subject, facts in self.facts.items()}
        return Done(self.summary, self.facts[first].timing, list(self.answers.values()), timings, readings)

    @property
    def simulated(self) -> bool:
        """Whether the data are simulated."""
        return self.summary.simulated

    @property
    def dataset(self) -> str:
        """Name of the dataset without its folder."""
        return self.summary.short_name

    @property
    def source_note(self) -> str:
        """Citation and licence of the data."""
        if self.summary.simulated:
            return "Simulated data."
        return " ".join(word for word in (self.summary.citation, self.summary.licence) if word)

    def methods(self) -> str:
        """Give the methods paragraph, in Markdown.

        Returns
        -------
        str
            One paragraph.
        """
        return methods_paragraph(self.done, self.figure)

    def reasons(self) -> list[tuple[str, str, str]]:
        """List the choices of the preset that have a reason.

        Returns
        -------
        list of tuple
            Field, value, reason.
        """
        return preset_reasons(self.done.preset)

    def references(self) -> list[str]:
        """List the works that the fits rest on.

        Returns
        -------
        list of str
            Keys of `citations.BIB`.
        """
        return works(self.done, [facts.voxels for facts in self.facts.values()], self.figure.references)

    def shell_lines(self) -> str:
        """Give the shell commands that compute the same fits.

        Returns
        -------
        str
            One line for each fit, and one that prints the numbers of the figure, where a verb does.
        """
        return "\n".join(part for part in (cli_lines(self.done), figure_command(self.done, self.figure)) if part)

    def python_lines(self) -> str:
        """Give the Python lines that compute the same fits.

        Returns
        -------
        str
            A program that prints the numbers of the figure.
        """
        return figure_lines(self.done, self.figure) if self.figure.page else python_lines(self.done)

    def fingerprint(self) -> Fingerprint:
        """Give the fingerprint that a link contains.

        Returns
        -------
        Fingerprint
            Digest of all scores, number of fits, mean joint R².
        """
        return fingerprint(self.answers)

    def columns(self) -> dict[str, Any]:
        """Give the columns that make a table readable on its own.

        Returns
        -------
        dict
            Value by column.
        """
        request = next(iter(self.answers.values())).request
        return {
            "dataset": self.dataset,
            "simulated": self.simulated,
            "model_a": request.models[0],
            "model_b": request.models[1],
            "preset": request.preset,
            "region_filter": self.region,
        }

    def manifest(self, store: Store) -> dict[str, Any]:
        """Describe the fits for the manifest of a bundle.

        Parameters
        ----------
        store : Store
            Where the fits are stored; their keys are made with it.

        Returns
        -------
        dict
            Plain values.
        """
        from brivl.sharing.maps import why_no_maps

        dataset = self.summary
        first = next(iter(self.answers.values())).request
        return {
            "dataset": {
                "name": dataset.short_name,
                "title": dataset.title,
                "licence": dataset.licence,
                "citation": dataset.citation,
            },
            "models": {side: self._model(name) for side, name in zip("ab", first.models, strict=True)},
            "fits": [self._fit(store, answer) for _, answer in sorted(self.answers.items())],
            "result": result_digest(self.answers),
            "map_layer": self.map_layer,
            "maps_missing": why_no_maps(self),
        }

    def _model(self, name: str) -> dict[str, Any]:
        offer = self.summary.model_options.get(name)
        return {"name": name, "title": offer.title if offer else name, "stand_in": bool(offer and offer.stand_in)}

    def _fit(self, store: Store, answer: FitResult) -> dict[str, Any]:
        request = answer.request
        key = fit_key(store, request, self.summary.dataset)
        single = stored_single_models(store, request, self.summary.dataset)
        return {
            "subject": request.subject,
            "layer": request.layer,
            "models": list(request.models),
            "preset": request.preset,
            "pooling": request.pooling,
            "key": key.digest,
            "ingredients": dict(key.ingredients),
            "scores_sha256": scores_digest(answer.result),
            **summary(answer.result),
            **({} if single is None else parts_summary(single)),
        }

    def map_files(self, store: Store) -> dict[str, bytes]:
        """Give the scores of the map layer as NIfTI and GIfTI files with sidecars.

        Parameters
        ----------
        store : Store
            Where the fits are stored.

        Returns
        -------
        dict
            Content by path within a bundle.
        """
        from brivl.sharing.maps import map_files

        return map_files(store, self)

    def maps(self, store: Store) -> dict[tuple[str, str], np.ndarray]:
        """Give the scores of the map layer, with unique and shared variance where each model was fitted alone.

        Parameters
        ----------
        store : Store
            Where the fits of each model alone are stored.

        Returns
        -------
        dict
            (subject, "joint", "a", "b", "unique_a", "unique_b" or "shared") -> (n_voxels,) R², NaN where not fitted.
        """
        maps = {}
        for (layer, subject), answer in sorted(self.answers.items()):
            if layer == self.map_layer:
                result = answer.result
                for name, scores in zip(("joint", "a", "b"), (result.r2_joint, *result.r2_split), strict=True):
                    maps[subject, name] = scores
                parts = stored_partition(store, answer.request, result.r2_joint, self.summary.dataset)
                if parts is not None:
                    maps |= {(subject, name): values for name, values in parts.by_name().items()}
        return maps


def npz_arrays(answer: FitResult, voxels: Voxels, partition: VariancePartition | None = None) -> dict[str, np.ndarray]:
    """Collect the scores of a fit and the coordinates of its voxels.

    Parameters
    ----------
    answer : FitResult
        The fit.
    voxels : Voxels
        The voxels of its subject.
    partition : VariancePartition, optional
        Unique and shared variance, where they are computed.

    Returns
    -------
    dict
        Arrays by name.
    """
    result = answer.result
    arrays = {
        "r2_joint": result.r2_joint,
        "r2_split": result.r2_split,
        "selected": result.selected,
        "band_weights": result.band_weights,
        "models": np.array(answer.request.models),
        "ijk": voxels.ijk,
        "shape": np.array(voxels.shape),
        "space": np.array(voxels.space),
        "simulated": np.array(bool(answer.info["simulated"])),
    }
    optional = {"affine": voxels.affine, "aal": voxels.aal, "explainable_variance": result.explainable_variance}
    optional["r2_nuisance"] = result.r2_nuisance
    arrays |= {name: value for name, value in optional.items() if value is not None}
    if partition is not None:
        arrays |= {"r2_unique": np.stack([partition.unique_a, partition.unique_b]), "r2_shared": partition.shared}
    for key, own in voxels.parcellations.items():  # labels, and the names of labels as a list of "number name"
        arrays[f"labels_{key}"] = own.labels
        arrays[f"names_{key}"] = np.array([f"{number} {name}" for number, name in own.names.items()])
    return arrays | {f"roi_{name}": inside for name, inside in voxels.rois.items()}


def npz_bytes(answer: FitResult, voxels: Voxels, partition: VariancePartition | None = None) -> bytes:
    """Write the scores of a fit as `brivl fit --out` does.

    Parameters
    ----------
    answer : FitResult
        The fit.
    voxels : Voxels
        The voxels of its subject.
    partition : VariancePartition, optional
        Unique and shared variance, where they are computed.

    Returns
    -------
    bytes
        Content of an .npz file.
    """
    buffer = io.BytesIO()
    arrays: dict[str, Any] = npz_arrays(answer, voxels, partition)  # Any: numpy's types take names for its options
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
