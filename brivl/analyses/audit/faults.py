"""Known faults of the published protocol: what each is, where it is from, whether it can occur with a dataset.

"The code" is the authors' released code (RERV/BriVL-Brain), "the paper" Lu et al. 2022. The preset strict has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from brivl.core.records import Design
from brivl.models.feature_model import Control


@dataclass(frozen=True)
class Fault:
    """A fault of the published protocol, and how a fit with it differs from the preset strict.

    Attributes
    ----------
    name : str
        Name in requests and stored rows.
    title : str
        Name in figures and tables.
    short : str
        Name within a sentence.
    what : str
        Mechanism, in a sentence or two.
    source : str
        Where the published protocol has it.
    changes : mapping or None
        Fields of the preset that differ; None where a fit without the fault is enough.
    variation : str or None
        Control condition of the models' features.
    """

    name: str
    title: str
    short: str
    what: str
    source: str
    changes: Mapping[str, str] | None = None
    variation: Control | None = None


SHUFFLED = Fault(
    "shuffled-folds",
    "Sentences assigned to folds at random",
    "shuffled folds",
    "Sentences of one passage share topic, time and noise. With some of them in the training set and some held out, a "
    "model is rewarded for recognising the passage.",
    "The code holds out KFold(5, shuffle=True, random_state=1) over sentences.",
    changes={"outer": "shuffled"},
)
OWN_ZSCORE = Fault(
    "own-zscore",
    "Test set z-scored with its own mean and SD",
    "z-scoring of the test set",
    "The mean and SD of the held-out responses are taken from these very responses, so that a prediction with a wrong "
    "level or scale is not penalised.",
    "The code fits StandardScaler again on the test responses.",
    changes={"test_zscore": "own"},
)
SELECTION = Fault(
    "test-selection",
    "Voxels selected by R² > 0 on the test data",
    "voxel selection on the test data",
    "Noise that happens to agree with the prediction selects a voxel and raises its score (circular analysis). Strict: "
    "voxels are selected on the other folds, or the other half of the test run, and scored on this one, each in turn.",
    "The paper averages over voxels with R² > 0 on held-out data; masks 'pos' and '90pos' of the code.",
)
PADDING = Fault(
    "unmasked-padding",
    "Padding tokens not masked",
    "unmasked padding",
    "Texts are padded to 80 tokens, and attention and token mean include the padding, so that features carry the "
    "length of the sentence.",
    "The code calls Bert.forward without an attention mask on texts padded to 80 tokens.",
    variation="unmasked-padding",
)
CROP = Fault(
    "random-crop",
    "Random crop of each frame",
    "random crops",
    "Features are computed from a random 20 to 100 % of each image, drawn anew for every frame, which adds noise to "
    "them; without a seed they cannot be reproduced.",
    "The code extracts features through RandomResizedCrop(384, scale=(0.2, 1)).",
    variation="random-crop",
)
UNCORRECTED = Fault(
    "uncorrected-tests",
    "No correction for multiple tests",
    "uncorrected tests",
    "Of many tests at p < .05, one in twenty is significant where there is no effect. Strict: Benjamini-Hochberg "
    "q < .05 over the same tests (permutation or sign flips of blocks of held-out samples).",
    "The paper sorts 45 regions by the p of a paired t-test and corrects none (Fig. 6c).",
)
CLEANING_OFF = Fault(
    "cleaning-off",
    "Cleaning off",
    "cleaning off",
    "Only the linear drift of each run is removed: slow drift and motion stay in the responses, and volumes before the "
    "steady state are fitted and scored. This switch is not part of the published protocol.",
    "Your own BIDS data, which were cleaned here.",
)
TOGETHER = Fault(
    "together",
    "As published (all faults)",
    "all faults at once",
    "Every fault above that changes a score, at the same time.",
    "The published protocol.",
)
FAULTS: Mapping[str, Fault] = {
    fault.name: fault for fault in (SHUFFLED, OWN_ZSCORE, SELECTION, PADDING, CROP, UNCORRECTED, CLEANING_OFF, TOGETHER)
}


def why_not(fault: Fault, kind: str, design: Design) -> str:
    """Say why a fault cannot occur with a dataset.

    Parameters
    ----------
    fault : Fault
        The fault.
    kind : str
        Kind of the stimuli: "image", "text" or "features".
    design : Design
        Timing, runs and groups of the samples.

    Returns
    -------
    str
        The reason, "" where the fault can occur. It is stored with results, so that its wording stays.
    """
    if fault is SHUFFLED:
        if design.n_test:
            return "a test run of its own is held out, so that no sample is dealt to a fold"
        if design.groups is None and design.tr is None:
            return "nothing says which responses belong together (no groups.npy), so that no fold can cut through it"
    if fault is CLEANING_OFF and design.cleaning is None:
        return "nothing but linear drift was removed from these data here"
    if fault is PADDING and kind != "text":
        return f"padding belongs to texts, and these stimuli are {_kind_words(kind)}"
    if fault is CROP and kind != "image":
        return f"crops belong to pictures, and these stimuli are {_kind_words(kind)}"
    return ""


def applicable(kind: str, design: Design) -> list[Fault]:
    """List the faults that can occur with a dataset.

    Parameters
    ----------
    kind : str
        Kind of the stimuli.
    design : Design
        Timing, runs and groups of the samples.

    Returns
    -------
    list of Fault
        In the order of `FAULTS`.
    """
    return [fault for fault in FAULTS.values() if not why_not(fault, kind, design)]


def _kind_words(kind: str) -> str:
    return {"text": "sentences", "image": "pictures"}.get(kind, "features that came with the data")
