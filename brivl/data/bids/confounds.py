"""fMRIPrep's table of confounds: columns to regress out and volumes to leave out, by nilearn's strategies.

nilearn reads tables by names of files and columns of fMRIPrep 1.2 and later. Each table is therefore checked here,
written with the names of today into a temporary folder, and read there by `load_confounds`, so that surfaces, dense
time series and names from before 1.2 are read alike.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from brivl.data.bids.events import read_table
from brivl.data.bids.layout import Run
from brivl.data.bids.stimulus_column import MISSING
from brivl.errors import DataError

# Parameters of nilearn's `load_confounds`. All but the first two are presets of `load_confounds_strategy` by its names;
# ica_aroma regresses the components out where the image is not the one from which fMRIPrep removed them.
BASIC = {"strategy": ("high_pass", "motion", "wm_csf"), "motion": "basic", "wm_csf": "basic"}
PARAMETERS: Mapping[str, dict[str, Any]] = {
    "auto": BASIC,  # where these columns predict BOLD of other runs: see `cleaning.held_out_r2`
    "basic": BASIC,
    "simple": {"strategy": ("high_pass", "motion", "wm_csf"), "motion": "full", "wm_csf": "basic"},
    "scrubbing": {
        "strategy": ("high_pass", "motion", "wm_csf", "scrub"),
        "motion": "full",
        "wm_csf": "full",
        "scrub": 5,
        "fd_threshold": 0.5,
        "std_dvars_threshold": 1.5,
    },
    "compcor": {
        "strategy": ("high_pass", "motion", "compcor"),
        "motion": "full",
        "n_compcor": "all",
        "compcor": "anat_combined",
    },
    "ica_aroma": {"strategy": ("high_pass", "wm_csf", "ica_aroma"), "wm_csf": "basic", "ica_aroma": "basic"},
}
AROMA_IMAGE = "smoothAROMAnonaggr"  # desc of the image from which fMRIPrep has removed the components
MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
TISSUE = ("csf", "white_matter")
DISPLACEMENT, NON_STEADY = "framewise_displacement", "non_steady_state_outlier"
OLD_NAMES = {  # of fMRIPrep before 1.2
    "CSF": "csf",
    "WhiteMatter": "white_matter",
    "GlobalSignal": "global_signal",
    "stdDVARS": "std_dvars",
    "non-stdDVARS": "dvars",
    "FramewiseDisplacement": DISPLACEMENT,
    "X": "trans_x",
    "Y": "trans_y",
    "Z": "trans_z",
    "RotX": "rot_x",
    "RotY": "rot_y",
    "RotZ": "rot_z",
}
OLD_NUMBERED = (
    (r"aCompCor(\d+)", r"a_comp_cor_\1"),
    (r"tCompCor(\d+)", r"t_comp_cor_\1"),
    (r"Cosine(\d+)", r"cosine\1"),
    (r"NonSteadyStateOutlier(\d+)", NON_STEADY + r"\1"),
    (r"AROMAAggrComp(\d+)", r"aroma_motion_\1"),
)
LARGEST = 1e12  # of a confound; larger values are no numbers of fMRIPrep, and their squares cannot be fitted
STEM = "sub-x_task-x"  # of the files that nilearn reads


@dataclass(frozen=True)
class RunConfounds:
    """Confounds of one run.

    Attributes
    ----------
    columns : np.ndarray
        (n_volumes, n_columns) regressors, without those of high-pass filtering; n_columns may be 0.
    steady : np.ndarray
        (n_volumes,) bool, False for volumes before the steady state.
    uncensored : np.ndarray
        (n_volumes,) bool, False for volumes that are censored for motion.
    names : tuple of str
        Names of the columns.
    mean_displacement : float
        Mean framewise displacement in mm; NaN where the table has none.
    """

    columns: np.ndarray
    steady: np.ndarray
    uncensored: np.ndarray
    names: tuple[str, ...] = ()
    mean_displacement: float = np.nan


def read_confounds(run: Run, strategy: str, n_volumes: int) -> RunConfounds:
    """Read the confounds of one run.

    Parameters
    ----------
    run : Run
        The run, with a table of confounds.
    strategy : str
        One of `options.STRATEGIES`; "" for no regressors, where only volumes before the steady state are of interest.
    n_volumes : int
        Volumes of the run.

    Returns
    -------
    RunConfounds
        Regressors and volumes.

    Raises
    ------
    DataError
        The table is missing, has another length than the run, lacks columns of the strategy, or has no numbers in them.
    """
    path = run.confounds
    if path is None:
        raise DataError(
            f"Expected a table of confounds beside {run.bold.name!r} (*_desc-confounds_timeseries.tsv), got none. Add "
            "it, or choose --clean none."
        )
    table = {today(name): values for name, values in read_table(path).items()}
    n_rows = len(next(iter(table.values()), ()))
    if n_rows != n_volumes:
        raise DataError(
            f"Expected {n_volumes} rows in {str(path)!r}, one for each volume of {run.bold.name!r}, got {n_rows}. Use "
            "the table of this run, or choose --clean none."
        )
    columns = {name: _numbers(path, name, values) for name, values in table.items()}
    non_steady = [values > 0 for name, values in columns.items() if name.startswith(NON_STEADY)]
    steady = ~np.any(non_steady, axis=0) if non_steady else np.ones(n_volumes, bool)
    displacement = columns.get(DISPLACEMENT, np.full(n_volumes, np.nan))
    measured = displacement[np.isfinite(displacement)]
    mean_displacement = float(measured.mean()) if len(measured) else np.nan
    if not strategy:
        return RunConfounds(np.zeros((n_volumes, 0)), steady, np.ones(n_volumes, bool), (), mean_displacement)
    parameters = dict(PARAMETERS[strategy])
    if strategy == "ica_aroma" and run.entities.get("desc") == AROMA_IMAGE:
        parameters["ica_aroma"] = "full"
    _complete(columns)
    _check_columns(path, columns, strategy, parameters)
    names, values, kept = _load(path, columns, parameters, strategy)
    return RunConfounds(values, steady, kept | ~steady, names, mean_displacement)


def today(name: str) -> str:
    """Translate the name of a column of fMRIPrep before 1.2.

    Parameters
    ----------
    name : str
        Name of a column.

    Returns
    -------
    str
        The name that fMRIPrep gives it today; every other name as it is.
    """
    for pattern, replacement in OLD_NUMBERED:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, replacement, name)
    return OLD_NAMES.get(name, name)


def _numbers(path: Path, name: str, values: list[str]) -> np.ndarray:
    wrong = next((value for value in values if value.lower() not in MISSING and not _is_number(value)), None)
    if wrong is not None:
        raise DataError(
            f"Expected numbers or n/a in the column {name!r} of {str(path)!r}, got {wrong[:40]!r}. Correct the table."
        )
    numbers = np.array([np.nan if value.lower() in MISSING else float(value) for value in values])
    return np.where(np.abs(numbers) < LARGEST, numbers, np.nan)


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _complete(columns: dict[str, np.ndarray]) -> None:
    """Add derivatives and squares that fMRIPrep before 1.4 left to the user, as it computes them today."""
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused where it is used
        for name in (*MOTION, *TISSUE):
            if name in columns:
                slope = np.r_[np.nan, np.diff(columns[name])]
                columns.setdefault(f"{name}_derivative1", slope)
                columns.setdefault(f"{name}_power2", columns[name] ** 2)
                columns.setdefault(f"{name}_derivative1_power2", columns[f"{name}_derivative1"] ** 2)


def _check_columns(path: Path, columns: Mapping[str, np.ndarray], strategy: str, parameters: Mapping[str, Any]) -> None:
    parts = parameters["strategy"]
    needed = [*(MOTION if "motion" in parts else ()), *(TISSUE if "wm_csf" in parts else ())]
    needed += [DISPLACEMENT, "std_dvars"] if "scrub" in parts else []
    lacking = [name for name in needed if name not in columns]
    if parameters.get("ica_aroma") == "basic" and not any("aroma" in name for name in columns):
        lacking.append("aroma_motion_*")
    if "compcor" in parts and not any(name.startswith("a_comp_cor") for name in columns):
        lacking.append("a_comp_cor_*")
    if lacking:
        raise DataError(
            f"Expected the columns of the strategy {strategy} in {str(path)!r}, got none called {', '.join(lacking)}. "
            f"Choose another strategy with --clean, or --clean none."
        )
    empty = [name for name in needed if not np.isfinite(columns[name][1:]).all()]
    if empty:
        n_missing, n_volumes = int(np.isnan(columns[empty[0]]).sum()), len(columns[empty[0]])
        raise DataError(
            f"Expected a number for each volume in the column {empty[0]!r} of {str(path)!r}, got n/a or infinity in "
            f"{n_missing} of {n_volumes} rows. Write the table again with fMRIPrep, or choose --clean none."
        )


def _load(
    path: Path, columns: Mapping[str, np.ndarray], parameters: Mapping[str, Any], strategy: str
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Names and values of regressors (n_volumes, n_columns), and volumes that are kept, by nilearn."""
    # Imported here: looking a result up needs no nilearn.
    from nilearn.interfaces.fmriprep import load_confounds

    n = len(next(iter(columns.values())))
    desc = AROMA_IMAGE if parameters.get("ica_aroma") == "full" else "preproc"
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        # nilearn warns of strategies without high-pass columns and of images that it never opens here.
        warnings.simplefilter("ignore")
        table = Path(folder, f"{STEM}_desc-confounds_timeseries.tsv")
        rows = np.column_stack(list(columns.values())).tolist()
        lines = ["\t".join("n/a" if np.isnan(v) else repr(v) for v in row) for row in rows]
        table.write_text("\n".join(["\t".join(columns), *lines]) + "\n", encoding="utf-8")
        sidecar = path.with_suffix(".json")
        if sidecar.is_file():
            table.with_suffix(".json").write_bytes(sidecar.read_bytes())
        image = str(Path(folder, f"{STEM}_space-MNI152NLin6Asym_desc-{desc}_bold.nii.gz"))
        try:
            loaded, sample_mask = load_confounds(image, demean=True, **parameters)
        except (ValueError, KeyError, IndexError, json.JSONDecodeError) as error:
            reason = " ".join(str(error).split())
            raise DataError(
                f"Expected a table of confounds for the strategy {strategy}, got {str(path)!r} (nilearn: "
                f"{reason.rstrip('.')}). Choose another strategy with --clean."
            ) from error
    kept = np.ones(n, bool)
    if sample_mask is not None:
        kept[:] = False
        kept[np.asarray(sample_mask, int)] = True
    names = tuple(str(name) for name in loaded.columns if not str(name).startswith("cosine"))
    values = loaded[list(names)].to_numpy(float) if names else np.zeros((n, 0))
    bad = [name for name, column in zip(names, values.T, strict=True) if not np.isfinite(column).all()]
    if bad:
        raise DataError(
            f"Expected a number for each volume in the column {bad[0]!r} of {str(path)!r}, got n/a. Write the table "
            "again with fMRIPrep, or choose --clean none."
        )
    return names, values, kept
