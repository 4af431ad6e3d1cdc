"""phantom-categories as a dataset: built on first use and kept in the store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse

from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.records import Design, Responses, Stimulus, Truth
from brivl.data.dataset import check_subject
from brivl.data.phantoms import categories
from brivl.data.phantoms.categories import CategoryImages, CategoryPhantomConfig
from brivl.data.phantoms.datasets import CITATION, PHANTOM_VERSION, stored_layout
from brivl.data.phantoms.movie import BrainLayout
from brivl.data.phantoms.planting import LICENCE
from brivl.errors import RequestError
from brivl.store.artifacts import Store
from brivl.store.digests import json_digest
from brivl.store.keys import ArtifactKey


@dataclass(frozen=True)
class PhantomCategories:
    """Four simulated subjects look at drawn pictures; voxels prefer a category."""

    store: Store
    config: CategoryPhantomConfig = field(default_factory=CategoryPhantomConfig)
    progress: ProgressCallback = no_progress
    name: str = categories.NAME
    title: str = "Phantom categories (simulated)"
    simulated: bool = True
    licence: str = LICENCE
    citation: str = CITATION
    subjects: tuple[str, ...] = categories.SUBJECTS
    models: tuple[str, ...] = ()
    stimulus_kind: str = "image"

    @cached_property
    def _picture_digest(self) -> str:
        return json_digest({"pictures": asdict(self.config), "version": PHANTOM_VERSION})

    @cached_property
    def category_images(self) -> CategoryImages:
        """What was shown."""

        def compute() -> tuple[Mapping[str, np.ndarray], Mapping]:
            self.progress(0, 1, "Drawing the pictures")
            drawn = categories.draw_images(self.config)
            captions = np.array(drawn.captions, np.str_)
            arrays = {"images": drawn.images, "area": drawn.area, "luminance": drawn.luminance, "captions": captions}
            return arrays, {"simulated": True}

        a = self.store.get_or_compute(
            ArtifactKey("phantom-pictures", {"pictures": self._picture_digest}), compute
        ).arrays
        return CategoryImages(a["images"], [str(text) for text in a["captions"]], a["area"], a["luminance"])

    @cached_property
    def _layout(self) -> BrainLayout:
        return stored_layout(self.store, self.progress)

    def design(self, subject: str) -> Design:
        return categories.design(self.config)

    def stimulus(self, subject: str) -> Stimulus:
        images = self.category_images.images
        return Stimulus(
            "image", images, scipy.sparse.identity(len(images), np.float32, "csr"), digest=self._picture_digest
        )

    def responses(self, subject: str) -> Responses:
        check_subject(self, subject)

        def compute() -> tuple[Mapping[str, np.ndarray], Mapping]:
            shown = self.category_images
            self.progress(0, 1, f"Simulating {subject}")
            made = categories.simulate(self.config, subject, self._layout, shown)
            return {"Y_train": made.Y_train, "Y_test": made.Y_test}, {"simulated": True}

        key = ArtifactKey("phantom-responses", {"dataset": self.digest(subject)})
        a = self.store.get_or_compute(key, compute).arrays
        return Responses(a["Y_train"], a["Y_test"], self._layout.voxels)

    def truth(self, subject: str) -> Truth | None:
        """None: no layers of models are planted; see `preferred`."""
        return None

    def preferred_categories(self, subject: str) -> np.ndarray:
        """(n_voxels,) str: the planted category of each voxel, "" where none is."""
        check_subject(self, subject)
        return categories.preferred_categories(self._layout)

    def digest(self, subject: str) -> str:
        return json_digest(
            {
                "config": asdict(self.config),
                "subject": subject,
                "version": PHANTOM_VERSION,
                "planted": categories.SELECTIVITY,
                "kind": self.name.partition(":")[0],
            }
        )


def category_phantom_config(size: str) -> CategoryPhantomConfig:
    """Settings from a size such as "900/100" (training and test pictures); "" for the default.

    Raises RequestError for anything else.
    """
    if not size:
        return CategoryPhantomConfig()
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", size)
    if found is None:
        raise RequestError(
            f"Wanted a size such as {categories.NAME}:900/100 (training/test pictures) and got {size!r}."
        )
    return CategoryPhantomConfig(n_train=int(found[1]), n_test=int(found[2]))
