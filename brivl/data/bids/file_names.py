"""Names of files in func/: entities, suffix and ending, by the names of BIDS and by those of fMRIPrep before 1.2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

VOLUME_ENDINGS = (".nii.gz", ".nii")
SURFACE_ENDING = ".func.gii"
CIFTI_ENDING = ".dtseries.nii"
ENDINGS = (CIFTI_ENDING, SURFACE_ENDING, *VOLUME_ENDINGS)  # the longer ones first: a dtseries is no volume

# fMRIPrep before 1.2: sub-1_task-x_bold_space-T1w_preproc.nii.gz, ..._bold_space-fsnative.L.func.gii,
# ..._bold_confounds.tsv. Each is read as the name that fMRIPrep gives the same file today.
OLD_VOLUME = re.compile(
    r"^(?P<run>.+)_bold(?P<form>(_[a-zA-Z]+-[^_.]+)*)_(?P<what>preproc|brainmask)(?P<end>\.nii(\.gz)?)$"
)
OLD_SURFACE = re.compile(r"^(?P<run>.+)_bold(?P<form>(_[a-zA-Z]+-[^_.]+)+)\.(?P<hemi>[LR])\.func\.gii$")
OLD_CONFOUNDS = re.compile(r"^(?P<run>.+)_bold_confounds\.tsv$")
ENTITY = re.compile(r"(?:^|_)([a-zA-Z]+)-([^_.]+)")


def entities(path: Path) -> dict[str, str]:
    """Read the entities of a BIDS file name.

    Parameters
    ----------
    path : Path
        File such as sub-01_task-rest_run-02_bold.nii.

    Returns
    -------
    dict of str to str
        Such as {"sub": "01", "task": "rest", "run": "2"}.
    """
    pairs = ENTITY.findall(path.name)
    return {key: str(int(value)) if key == "run" and value.isdigit() else value for key, value in pairs}


def name_of_today(name: str) -> str:
    """Translate the name of a file of fMRIPrep before 1.2.

    Parameters
    ----------
    name : str
        Name of a file.

    Returns
    -------
    str
        The name that fMRIPrep gives the same file today; every other name as it is.
    """
    if (old := OLD_VOLUME.match(name)) is not None:
        form = old["form"].replace("_variant-", "_desc-")
        if old["what"] == "brainmask":
            return f"{old['run']}{form}_desc-brain_mask{old['end']}"
        return f"{old['run']}{form}{'' if '_desc-' in form else '_desc-preproc'}_bold{old['end']}"
    if (old := OLD_SURFACE.match(name)) is not None:
        return f"{old['run']}_hemi-{old['hemi']}{old['form']}_bold.func.gii"
    if (old := OLD_CONFOUNDS.match(name)) is not None:
        return f"{old['run']}_desc-confounds_timeseries.tsv"
    return name


@dataclass(frozen=True)
class BidsFile:
    """A file by its name; nothing is read.

    Attributes
    ----------
    path : Path
        The file.
    suffix : str
        Last part of the name with its ending, such as "bold.nii.gz" or "events.tsv".
    entities : mapping of str to str
        Entities of the name.
    """

    path: Path
    suffix: str
    entities: Mapping[str, str]

    @classmethod
    def of(cls, path: Path) -> BidsFile:
        """Read the name of a file.

        Parameters
        ----------
        path : Path
            The file, which need not be there.

        Returns
        -------
        BidsFile
            Its suffix and entities.
        """
        name = name_of_today(path.name)
        return cls(path, name.rpartition("_")[2], entities(Path(name)))


@dataclass(frozen=True)
class BoldFile:
    """One bold file, whatever its form: a volume, one hemisphere of a surface, or a dense time series (CIFTI).

    Attributes
    ----------
    path : Path
        The file, which git-annex may not have fetched.
    root : Path
        Top of the folder that it belongs to: the raw BIDS folder, or a folder of derivatives.
    entities : mapping of str to str
        Entities of its name, such as sub, ses, task, run, acq, rec, dir, echo, space, res, den, desc, hemi.
    ending : str
        One of ENDINGS: ".nii.gz" and ".nii", ".func.gii", or ".dtseries.nii".
    """

    path: Path
    root: Path
    entities: Mapping[str, str] = field(default_factory=dict)
    ending: str = ".nii.gz"

    @property
    def kind(self) -> Literal["volume", "surface", "cifti"]:
        """Form of the data, by the ending."""
        if self.ending == CIFTI_ENDING:
            return "cifti"
        return "surface" if self.ending == SURFACE_ENDING else "volume"

    @property
    def label(self) -> str:
        """Name without suffix and ending, as errors name it."""
        return re.sub(r"_bold$", "", self.path.name.removesuffix(self.ending))
