"""A cache with results of known ages, for tests of what looks after it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import numpy as np

from brivl.encoding.fit import FitRequest, fit_key
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey, artifact_path

HOUR = 3600.0


def key(n: int, kind: str = "fits") -> ArtifactKey:
    return ArtifactKey(kind, {"n": n})


def fill(store: Store, ages: Sequence[float], kind: str = "fits") -> list[int]:
    """One result of about 8 kB for each age (s since its last use); their sizes."""
    sizes = []
    for n, age in enumerate(ages):
        store.put(key(n, kind), {"x": np.full(1000, float(n))}, {})
        path = artifact_path(store.root, key(n, kind))
        os.utime(path.manifest, (time.time() - age,) * 2)
        sizes.append(path.data.stat().st_size + path.manifest.stat().st_size)
    return sizes


def is_stored(store: Store, request: FitRequest) -> bool:
    return store.has(fit_key(store, request))


def there(store: Store, n: int, kind: str = "fits") -> bool:
    return artifact_path(store.root, key(n, kind)).manifest.exists()
