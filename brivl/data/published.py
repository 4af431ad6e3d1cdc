"""The published datasets that the explorer reads: where they come from, what belongs to them, who made them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from brivl.data.algonauts2023.files import has_algonauts2023_form, mask_files, response_files
from brivl.data.algonauts2023.loader import CITATION as ALGONAUTS_CITATION
from brivl.data.algonauts2023.loader import LICENCE as ALGONAUTS_LICENCE
from brivl.data.pereira2018.files import EXPERIMENTS, find_files, is_pereira
from brivl.data.pereira2018.loader import CITATION as PEREIRA_CITATION
from brivl.data.pereira2018.loader import LICENCE as PEREIRA_LICENCE

SHORTCLIPS, PEREIRA, ALGONAUTS = "shortclips", "pereira2018", "algonauts2023"
_SUBJECTS = tuple(f"S{i:02d}" for i in range(1, 6))


@dataclass(frozen=True)
class Published:
    """One published dataset."""

    name: str  # and of its folder
    title: str
    licence: str
    citation: str
    page: str  # address to read about it
    source: str  # git repository that datalad installs; "" where there is none
    siblings: tuple[str, ...]  # from which datalad fetches content, fastest first


PUBLISHED = {
    SHORTCLIPS: Published(
        SHORTCLIPS,
        "shortclips (Huth et al. 2012)",
        "Terms of the dataset's own page: doi:10.12751/g-node.vy1zjd",
        "Huth, A. G., Nishimoto, S., Vu, A. T., Dupré la Tour, T., & Gallant, J. L. (2022). Gallant Lab Natural Short "
        "Clips 3T fMRI Data. doi:10.12751/g-node.vy1zjd; Huth, A. G., Nishimoto, S., Vu, A. T., & Gallant, J. L. "
        "(2012). Neuron, 76(6), 1210-1224. doi:10.1016/j.neuron.2012.10.014",
        "https://gin.g-node.org/gallantlab/shortclips",
        "https://gin.g-node.org/gallantlab/shortclips",
        ("wasabi", "origin"),
    ),
    PEREIRA: Published(
        PEREIRA,
        "Pereira et al. 2018",
        PEREIRA_LICENCE,
        PEREIRA_CITATION,
        "https://web.mit.edu/evlab//sites/default/files/documents/index2.html",
        "",
        (),
    ),
    ALGONAUTS: Published(
        ALGONAUTS,
        "Algonauts 2023 (Natural Scenes Dataset)",
        ALGONAUTS_LICENCE,
        ALGONAUTS_CITATION,
        "http://algonauts.csail.mit.edu/challenge.html",
        "",
        (),
    ),
}


def recognised(folder: Path) -> str | None:
    """Which published dataset a folder holds, by the names in it; None for others. OSError if it cannot be read."""
    if any((folder / "responses").glob("S[0-9][0-9]_responses.hdf*")):
        return SHORTCLIPS
    if has_algonauts2023_form(folder) or any(folder.glob("subj[0-9][0-9].zip")):
        return ALGONAUTS
    return PEREIRA if is_pereira(folder) or any(folder.glob("[PM][0-9][0-9].tar*")) else None


def expected_files(name: str, folder: Path) -> list[str]:
    """Paths below `folder` that belong to a published dataset, those that are there under another name included."""
    if name == SHORTCLIPS:
        runs = [f"stimuli/train_{i:02d}.hdf" for i in range(12)]
        own = [f"{part}/{s}_{part}.hdf" for part in ("responses", "mappers") for s in _SUBJECTS]
        return [*own, *runs, "stimuli/test.hdf"]
    if name == ALGONAUTS:
        subjects = [folder / f"subj{i:02d}" for i in range(1, 9)]
        paths = [path for subject in subjects for path in (*response_files(subject), *mask_files(subject))]
        return [path.relative_to(folder).as_posix() for path in paths]
    found: list[str] = []
    for number in ("2", "3"):
        here, about = find_files(folder, number) if folder.is_dir() else {}, EXPERIMENTS[number]
        for subject in about.subjects:
            path = here.get(subject, folder / subject / f"examples_{about.stem}.mat")
            found.append(path.relative_to(folder).as_posix())
    return found
