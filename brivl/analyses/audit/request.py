"""What an audit may be requested of, its checks and its key; imports no model code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from brivl.analyses.audit.faults import FAULTS
from brivl.analyses.audit.fits import VERSION, in_order
from brivl.analysis import option
from brivl.data.dataset import DatasetIdentity
from brivl.encoding.fit import FitRequest, fit_key
from brivl.errors import RequestError
from brivl.models.feature_model import POOLINGS
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

KIND, ROWS_VERSION = "audit", 3
MIN_VOXELS = 10


@dataclass(frozen=True)
class AuditRequest:
    """Which fit is audited, always against the preset strict, and what it is compared with.

    Attributes
    ----------
    dataset : str
        Name of a simulated dataset, or a folder.
    subject : str
        Name of the subject.
    models : tuple of str
        The two models, A and B.
    layer : int
        Layer, counted from 1.
    pooling : str or None
        Token pooling; None for that of the model's own embedding.
    faults : tuple of str
        Names of faults; () for all.
    baselines : bool
        Whether low-level baselines and an untrained network are fitted.
    n_voxels : int
        Largest number of voxels that are fitted, evenly thinned: means need no more.
    """

    dataset: str
    subject: str
    models: tuple[str, str] = field(
        metadata=option("--models", help="two models, comma-separated", separator=",", required=True, metavar="A,B")
    )
    layer: int = field(metadata=option("--layer", help="layer number, counted from 1", required=True))
    pooling: Literal["cls", "mean"] | None = field(
        default=None,
        metadata=option(
            "--pooling", help="token pooling (default: that of the model's own embedding)", choices=POOLINGS
        ),
    )
    faults: tuple[str, ...] = field(
        default=(),
        metadata=option("--fault", help="only these faults (default: all)", nargs="+", default=[], metavar="NAME"),
    )
    baselines: bool = field(
        default=True,
        metadata=option(
            "--no-baselines", help="leave out low-level baselines and the untrained network", action="store_false"
        ),
    )
    n_voxels: int = field(default=1000, metadata=option("--voxels", help="largest number of voxels, evenly thinned"))

    @property
    def fit(self) -> FitRequest:
        """The fit that is audited."""
        return FitRequest(self.dataset, self.models, self.layer, self.subject, "strict", self.pooling)


def link_fields(request: AuditRequest) -> dict[str, str]:
    """Give the query parameters with which the page shows an audit.

    Parameters
    ----------
    request : AuditRequest
        The request.

    Returns
    -------
    dict
        Models, layer and pooling.
    """
    a, b = request.models
    return {"a": a, "b": b, "layer": str(request.layer)} | ({"pooling": request.pooling} if request.pooling else {})


def audit_key(store: Store, request: AuditRequest, dataset: DatasetIdentity | None = None) -> ArtifactKey:
    """Make the key of an audit.

    Parameters
    ----------
    store : Store
        Where digests of large files are remembered.
    request : AuditRequest
        The request.
    dataset : Dataset or None
        The dataset that it names; opened here where it is None.

    Returns
    -------
    ArtifactKey
        The same for both orders of the models.

    Raises
    ------
    RequestError
        For an unknown dataset, subject, model, layer or fault, or for too few voxels.
    """
    if len(request.models) != 2 or not all(request.models):
        raise RequestError(
            f"Expected two model names as A,B, got {','.join(request.models)!r}. Separate them with a comma."
        )
    unknown = sorted(set(request.faults) - set(FAULTS))
    if unknown:
        raise RequestError(f"Expected faults out of {list(FAULTS)}, got {unknown!r}. Choose some of these.")
    if request.n_voxels < MIN_VOXELS:
        raise RequestError(f"Expected {MIN_VOXELS} voxels or more, got {request.n_voxels!r}. Choose more.")
    settings = {"faults": sorted(request.faults), "baselines": request.baselines, "n_voxels": request.n_voxels}
    fit = fit_key(store, in_order(request.fit), dataset).digest
    return ArtifactKey(KIND, {"fit": fit, **settings, "version": [VERSION, ROWS_VERSION]})
