"""What the figures of fits add to their methods text: regions, tests, corrections, ceiling, maps; with citations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from brivl.analyses.layers.heat_map.tables import HeatMap
from brivl.analyses.regions.tables import RegionParts, RegionQuestion
from brivl.core.claims.coverage import Coverage
from brivl.core.records import Voxels
from brivl.core.regions.variance_partitioning import VARIANCE_COMPONENTS
from brivl.data.anatomy.atlases import OWN_PREFIX
from brivl.data.regions import BRAIN
from brivl.sharing.methods import FigureMethods

BH = "Benjamini-Hochberg correction over {n} {what} (q < .05; Benjamini and Hochberg, 1995)"
UNIQUE = (
    "Unique and shared variance were obtained by variance partitioning from fits of both models and of each model "
    "alone with the same folds (de Heer et al., 2017; Lescroart and Gallant, 2019)."
)
UNIQUE_WORKS = ("deheer2017", "lescroart2019")
ATLASES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "roi": ("regions of interest that the dataset defines", ()),
    "area": ("lobes and other areas of AAL (Tzourio-Mazoyer et al., 2002)", ("tzourio2002",)),
    "merged": ("regions of AAL with hemispheres merged (Tzourio-Mazoyer et al., 2002)", ("tzourio2002",)),
    "region": ("regions of AAL (Tzourio-Mazoyer et al., 2002)", ("tzourio2002",)),
    "aal3": ("regions of AAL3 (Rolls et al., 2020), by the label at the centre of each voxel", ("rolls2020",)),
    "mmp": ("HCP-MMP1.0 (Glasser et al., 2016) on the vertices of fs_LR 32k", ("glasser2016",)),
    "hcp": (
        "areas of HCP-MMP1 (Glasser et al., 2016) in volume with subcortical regions, HCPex (Huang et al., 2022), by "
        "the label at the centre of each voxel",
        ("glasser2016", "huang2022"),
    ),
}
SURFACES: Mapping[str, str] = {
    "pycortex-S1": "on the flattened cortex of pycortex subject S1 (Gao et al., 2015), in native space",
    "fsaverage5": "on fsaverage5 with nilearn (Abraham et al., 2014)",
    "fs_LR 32k": "on the fs_LR 32k surfaces of the HCP S1200 group (Van Essen et al., 2012)",
}


def _atlas(level: str) -> tuple[str, tuple[str, ...]]:
    """What the regions of a parcellation are, with references."""
    if level.startswith(OWN_PREFIX):
        return f"regions of {level.removeprefix(OWN_PREFIX)}, an atlas that lies with the data", ()
    return ATLASES.get(level, (f"regions of {level}", ()))


def layers_methods(coverage: Coverage, region: str, has_parts: bool) -> FigureMethods:
    """Describe how the figure of R² by layer was made.

    Parameters
    ----------
    coverage : Coverage
        Which fits are there.
    region : str
        Region of the voxels; BRAIN for all.
    has_parts : bool
        Whether unique and shared variance are known.

    Returns
    -------
    FigureMethods
        Sentences, references and settings.
    """
    n, compared = coverage.n_subjects, [k for k in coverage.complete_layers if k not in coverage.identical]
    sentences = [f"Scores were averaged over the voxels {_inside(region)} of each subject."]
    works: list[str] = []
    if n > 1 and compared:
        correction = BH.format(n=len(compared), what="layers")
        sentences.append(
            f"At each layer the mean split R² of the two models was compared by a paired two-tailed t-test over {n} "
            f"subjects, with {correction}."
        )
        works.append("benjamini1995")
    elif n == 1:
        sentences.append("With one subject, layers and models were compared without a test.")
    sentences.append(_not_compared(coverage))
    if has_parts:
        sentences.append(UNIQUE)
        works += UNIQUE_WORKS
    return FigureMethods(_joined(sentences), tuple(works), "layers", _region_setting(region))


def _not_compared(coverage: Coverage) -> str:
    """Layers without a comparison, and why."""
    parts = []
    if coverage.identical:
        listed = ", ".join(map(str, sorted(coverage.identical)))
        parts.append(f"The two models have identical features at layers {listed}, which were not compared.")
    if coverage.missing:
        parts.append(f"{coverage.fits} were there; layers that lacked a subject were not compared.")
    return " ".join(parts)


def heat_methods(heat: HeatMap, region: str) -> FigureMethods:
    """Describe how the figure of layer x region was made.

    Parameters
    ----------
    heat : HeatMap
        What is shown.
    region : str
        Region that is marked; BRAIN for none.

    Returns
    -------
    FigureMethods
        Sentences, references and settings.
    """
    atlas, atlas_works = _atlas(heat.level)
    several, parts = heat.coverage.n_subjects > 1, heat.kind in VARIANCE_COMPONENTS
    sentences = [
        f"Scores were averaged over the voxels of each region at each layer: {atlas}.",
        "Bands are 95 % intervals of the mean over subjects (Student's t), uncorrected." if several else "",
        "The best layer of a region is that with the highest mean joint R²; layers were not compared by a test.",
        _not_compared(heat.coverage),
        UNIQUE if parts else "",
    ]
    settings = {"view": "regions", "map": heat.kind, "level": heat.level, "sort": heat.sort, **_region_setting(region)}
    return FigureMethods(_joined(sentences), (*atlas_works, *(UNIQUE_WORKS if parts else ())), "layers", settings)


def regions_methods(parts: RegionParts, question: RegionQuestion) -> FigureMethods:
    """Describe how the figure of R² by region was made: regions, tests, correction, ceiling.

    Parameters
    ----------
    parts : RegionParts
        Figure and table.
    question : RegionQuestion
        What was asked for.

    Returns
    -------
    FigureMethods
        Sentences, references and settings.
    """
    atlas, atlas_works = _atlas(question.level)
    sentences = [f"Scores were averaged over the voxels of each region {_within(question.region)}: {atlas}."]
    works = list(atlas_works)
    if question.over_ceiling:
        sentences.append(
            "Before, R² of each voxel was normalised by its noise ceiling, EV / (EV + (1 − EV) / n) for the average of "
            "n repeats with explainable variance EV (Schoppe et al., 2016)."
        )
        works.append("schoppe2016")
    if question.scores is not None and question.scores.has_parts:
        sentences.append(UNIQUE)
        works += UNIQUE_WORKS
    test, test_works = _region_test(parts, question)
    settings = {"level": question.level, "order": question.order, **_region_setting(question.region)}
    settings |= {"rows": question.rows} if question.rows else {}
    settings |= {"scale": "ceiling"} if question.over_ceiling else {}
    settings |= {"unit": "voxel"} if question.by_voxel else {}
    settings |= {"tests": "yes"} if question.tests else {}
    return FigureMethods(_joined([*sentences, test]), (*works, *test_works), "regions", settings)


def _region_test(parts: RegionParts, question: RegionQuestion) -> tuple[str, tuple[str, ...]]:
    """The test behind p, q and interval."""
    table, n_regions = parts.comparison.table, len(parts.comparison.table)
    correction = BH.format(n=n_regions, what="regions")
    if question.coverage is not None and question.coverage.identical:
        return "The two models have identical features at this layer and were not compared.", ()
    if question.coverage is not None and question.coverage.missing:
        return f"{question.coverage.who} were fitted, and the models were not compared.", ()
    if parts.comparison.unit == "block":
        if not question.tests:
            return "The models were not compared by a test.", ()
        ((subject, tests),) = question.tests.items()
        return (
            f"Within {subject}, the difference in split R² of the mean of each region, which is a difference of "
            "squared errors summed over samples (Diebold and Mariano, 1995), was tested by sign flips of blocks of "
            "held-out samples (two-sided; Winkler et al., 2014), and joint R² against chance by block permutation of "
            f"the responses (one-sided), each with {correction}; a region counts where q < .05 in both. "
            "Intervals are bootstrap intervals over blocks, with percentiles expanded for few blocks (Hesterberg, "
            "2015). These are statements about this subject and these stimuli.",
            ("diebold1995", "winkler2014", "benjamini1995", "hesterberg2015"),
        )
    if parts.comparison.unit == "voxel":
        return (
            f"The two models were compared by paired two-tailed t-tests over voxels, with {correction}; voxels are "
            "spatially correlated, so these p values are anti-conservative and are no basis for inference.",
            ("benjamini1995",),
        )
    n = table["n"].to_numpy()
    counted = f"n = {n.max()}" if n.min() == n.max() else f"n = {n.min()} to {n.max()}, those with voxels in a region"
    return (
        f"The mean split R² of the two models was compared in each region by a paired two-tailed t-test over subjects "
        f"({counted}), with {correction}. Intervals are Student's t; d_z is the mean difference over its standard "
        "deviation. The table also has exact sign-flip p (Winkler et al., 2014) and bootstrap intervals with "
        "percentiles expanded for few subjects (Hesterberg, 2015).",
        ("benjamini1995", "winkler2014", "hesterberg2015"),
    )


def flatmap_methods(kind: str, coverage: Coverage, voxels: Voxels, has_parts: bool, region: str) -> FigureMethods:
    """Describe how a flatmap was made.

    Parameters
    ----------
    kind : str
        Map, as in a link.
    coverage : Coverage
        Which subjects are there.
    voxels : Voxels
        Voxels of the map.
    has_parts : bool
        Whether unique and shared variance are known.
    region : str
        Region whose voxels are not faded; BRAIN for all.

    Returns
    -------
    FigureMethods
        Sentences, references and settings.
    """
    n = len(coverage.subjects)
    drawn_on = voxels.surface.template if voxels.surface is not None else voxels.flatmap
    where = SURFACES.get(drawn_on, "on a map of the dataset's own voxels")
    mean = f" Scores are means over the subjects in whom a voxel was fitted ({n})." if n > 1 else ""
    best = (
        " The best layer of a voxel is that with the highest joint R², where that is above 0." if kind == "best" else ""
    )
    sentences = f"Voxel scores were drawn {where}.{mean}{best} No voxel was tested."
    works = UNIQUE_WORKS if has_parts else ()
    parts = f" {UNIQUE}" if has_parts else ""
    return FigureMethods(f"{sentences}{parts}", works, "flatmap", {"map": kind, **_region_setting(region)})


def _inside(region: str) -> str:
    return "that were fitted" if region == BRAIN else f"of {region} that were fitted"


def _within(region: str) -> str:
    return "" if region == BRAIN else f"within {region}"


def _region_setting(region: str) -> dict[str, str]:
    return {} if region == BRAIN else {"region": region}


def _joined(sentences: Sequence[str]) -> str:
    return " ".join(" ".join(sentence.split()) for sentence in sentences if sentence).replace(" :", ":")
