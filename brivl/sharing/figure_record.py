"""A figure with all that it rests on: what pages show, bundles hold and reports are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import numpy as np
import pandas as pd

from brivl.data.subject_facts import SubjectFacts
from brivl.data.summary import Known
from brivl.encoding.fit import FitResult
from brivl.sharing.fingerprints import seen
from brivl.sharing.methods import Done
from brivl.viz.style import FigureLabel

if TYPE_CHECKING:
    from brivl.viz.export import Figure, Page
import io

from brivl.core.records import Voxels


def npz_arrays(answer: FitResult, voxels: Voxels) -> dict[str, np.ndarray]:
    """Scores and all that is needed to place the voxels, by name."""
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
    arrays |= {name: value for name, value in optional.items() if value is not None}
    return arrays | {f"roi_{name}": inside for name, inside in voxels.rois.items()}


def npz_bytes(answer: FitResult, voxels: Voxels) -> bytes:
    """Content of the .npz file that `python -m brivl fit --out` writes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **npz_arrays(answer, voxels))
    return buffer.getvalue()


RESULT = "result"  # name in a link
SIMULATED_LABEL = "SIMULATED DATA"
Key = tuple[int, str]  # layer, subject


@dataclass(frozen=True)
class Plate:
    """One figure, its table and the answers behind both."""

    page: str  # "layers", "flatmap", "regions"
    stem: str  # of file names
    label: FigureLabel
    table: pd.DataFrame
    draw: Callable[[Page], Figure]
    known: Known
    answers: Mapping[Key, FitResult]
    facts: Mapping[str, SubjectFacts]
    fields: Mapping[str, str]  # of the link, without what it says of the numbers
    map_layer: int  # whose scores are given as maps

    @property
    def done(self) -> Done:
        first = next(iter(self.answers.values())).request.subject
        return Done(self.known, self.facts[first].timing, list(self.answers.values()))

    @property
    def file_stem(self) -> str:
        return f"simulated_{self.stem}" if self.known.simulated else self.stem

    @property
    def simulated_label(self) -> str:
        return SIMULATED_LABEL if self.known.simulated else ""

    @property
    def link(self) -> str:
        """Address of the view within the app, with what it says of the numbers; no folder of this machine."""
        fields = {name: value for name, value in self.fields.items() if name != RESULT}
        fields["data"] = self.known.short_name
        return f"/{self.page}?{urlencode({**fields, RESULT: seen(self.answers).text})}"

    def tidy_csv(self) -> str:
        """The table, with what it rests on in every row, so that it can be read alone."""
        request = next(iter(self.answers.values())).request
        a, b = request.models
        table = self.table.assign(
            dataset=self.known.short_name,
            simulated=self.known.simulated,
            model_a=a,
            model_b=b,
            preset=request.preset,
            region_filter=self.fields.get("region", "all"),
        )
        return table.to_csv(index=False, lineterminator="\n")

    def maps(self) -> dict[tuple[str, str], np.ndarray]:
        """Scores of the layer of the maps: (subject, "joint", "a" or "b") -> (n_voxels,), NaN where not fitted."""
        found = {}
        for (layer, subject), answer in sorted(self.answers.items()):
            if layer == self.map_layer:
                r = answer.result
                found |= {
                    (subject, name): part
                    for name, part in zip(("joint", "a", "b"), (r.r2_joint, *r.r2_split), strict=True)
                }
        return found
