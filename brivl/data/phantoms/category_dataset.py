"""phantom-categories as a dataset."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse

from brivl.core.records import Design, Stimulus
from brivl.data.dataset import check_subject
from brivl.data.phantoms import base, categories
from brivl.data.phantoms.base import SimulatedDataset, StoredResult, parse_size
from brivl.data.phantoms.categories import CategoryImages, CategoryPhantomConfig
from brivl.errors import RequestError
from brivl.store.digests import JSON, json_digest
from brivl.store.keys import ArtifactKey


@dataclass(frozen=True)
class PhantomCategories(SimulatedDataset[CategoryPhantomConfig]):
    """Four simulated subjects see drawn images; voxels prefer a category."""

    config: CategoryPhantomConfig = field(default_factory=CategoryPhantomConfig)
    name: str = categories.NAME
    title: str = "Simulated categories"
    subjects: tuple[str, ...] = categories.SUBJECTS

    @cached_property
    def _images_digest(self) -> str:
        return json_digest({"pictures": asdict(self.config), "version": base.PHANTOM_VERSION})

    @cached_property
    def category_images(self) -> CategoryImages:  # numpydoc ignore=RT01
        """The images, and what they show."""
        key = ArtifactKey("phantom-pictures", {"pictures": self._images_digest})
        a = self.store.get_or_compute(key, self._draw).arrays
        return CategoryImages(a["images"], [str(text) for text in a["captions"]], a["area"], a["luminance"])

    def _draw(self) -> StoredResult:
        self.progress(0, 1, "Drawing the images")
        drawn = categories.draw_images(self.config)
        captions = np.array(drawn.captions, np.str_)
        arrays = {"images": drawn.images, "area": drawn.area, "luminance": drawn.luminance, "captions": captions}
        return arrays, {"simulated": True}

    @cached_property
    def _stimulus(self) -> Stimulus:
        images = self.category_images.images
        weights = scipy.sparse.identity(len(images), np.float32, "csr")
        return Stimulus("image", images, weights, digest=self._images_digest)

    def preferred_categories(self, subject: str) -> np.ndarray:
        """Return the planted category of each voxel.

        Parameters
        ----------
        subject : str
            Subject.

        Returns
        -------
        (n_voxels,) array of str
            Category, "" where none is planted.
        """
        check_subject(self, subject)
        return categories.preferred_categories(self._layout)

    def _design(self) -> Design:
        return categories.design(self.config)

    def _planted(self) -> dict[str, JSON]:
        return {"planted": categories.SELECTIVITY, "kind": self.name.partition(":")[0]}

    def _simulate(self, subject: str) -> StoredResult:
        images = self.category_images
        self.progress(0, 1, f"Simulating {subject}")
        Y_train, Y_test = categories.simulate(self.config, subject, self._layout, images)
        return {"Y_train": Y_train, "Y_test": Y_test}, {"simulated": True}


def category_phantom_config(size: str) -> CategoryPhantomConfig:
    """Return the settings of phantom-categories for a size.

    Parameters
    ----------
    size : str
        Numbers of training and test images, such as "900/100"; "" for the default.

    Returns
    -------
    CategoryPhantomConfig
        Settings.

    Raises
    ------
    RequestError
        If the size has another form or is out of range.
    """
    if not size:
        return CategoryPhantomConfig()
    numbers = parse_size(size)
    if numbers is None:
        raise RequestError(
            f"Expected a size such as {categories.NAME}:900/100 (training/test images), got {size!r}. Correct the size."
        )
    return CategoryPhantomConfig(n_train=numbers[0], n_test=numbers[1])
