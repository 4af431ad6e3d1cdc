"""The faults known in the published protocol: what each is, where it is from, whether it can occur with these data.

"The code" is the authors' released code (RERV/BriVL-Brain), "the paper" Lu et al. 2022. The preset strict has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from brivl.core.records import Design
from brivl.models.feature_model import Control


@dataclass(frozen=True)
class Fault:
    """One fault, as it is told, and how a fit with it differs from the preset strict."""

    name: str
    title: str
    what: str  # mechanism, in a sentence or two
    source: str  # where the published protocol has it
    changes: Mapping[str, str] | None = None  # fields of the preset; None: a fit without the fault is enough
    variation: Control | None = None  # of the models' features


SHUFFLED = Fault(
    "shuffled-folds",
    "Sentences dealt to folds at random",
    "Sentences of one passage share more than their meaning (topic, time, noise). With some of them in training and "
    "some held out, a model is scored for knowing the passage.",
    "The code holds out KFold(5, shuffle=True, random_state=1) over sentences.",
    changes={"outer": "shuffled"},
)
OWN_ZSCORE = Fault(
    "own-zscore",
    "Held-out responses z-scored by themselves",
    "Mean and deviation of the held-out responses are taken from these very responses, so that a prediction that is "
    "off in level or scale goes unpunished.",
    "The code fits StandardScaler again on the test responses.",
    changes={"test_zscore": "own"},
)
SELECTION = Fault(
    "test-selection",
    "Voxels kept for R² > 0 on the data they are scored on",
    "Noise that happens to agree with the prediction keeps a voxel and raises its score. Off: voxels are chosen by "
    "the other folds (or the other half of the test run) and scored on this one, each in turn.",
    "The paper averages over voxels with R² > 0 on held-out data; masks 'pos' and '90pos' of the code.",
)
PADDING = Fault(
    "unmasked-padding",
    "Padding read as text",
    "Texts are padded to 80 tokens and attention and token mean do not leave the padding out, so that features carry "
    "the length of the sentence.",
    "The code calls Bert.forward without an attention mask on texts padded to 80 tokens.",
    variation="unmasked-padding",
)
CROP = Fault(
    "random-crop",
    "A random crop of each frame",
    "Features are of a random 20 to 100 % of each picture, drawn anew for every frame, which adds noise to them; "
    "without a seed no one can repeat them.",
    "The code extracts features through RandomResizedCrop(384, scale=(0.2, 1)).",
    variation="random-crop",
)
UNCORRECTED = Fault(
    "uncorrected-tests",
    "Many tests, none corrected",
    "Of many tests at p < .05 one in twenty is called significant where there is nothing. Off: Benjamini-Hochberg "
    "q < .05 over the same tests (blocks of held-out samples rearranged, or their differences' signs).",
    "The paper sorts 45 regions by the p of a paired t-test and corrects none (Fig. 6c).",
)
TOGETHER = Fault(
    "together",
    "All faults at once",
    "Every fault above that changes a score, at the same time, as published.",
    "The published protocol.",
)
FAULTS: Mapping[str, Fault] = {
    fault.name: fault for fault in (SHUFFLED, OWN_ZSCORE, SELECTION, PADDING, CROP, UNCORRECTED, TOGETHER)
}


def why_not(fault: Fault, kind: str, design: Design) -> str:
    """Why a fault cannot occur with stimuli of this kind and this design; "" where it can."""
    if fault is SHUFFLED:
        if design.n_test:
            return "a test run of its own is held out, so that no sample is dealt to a fold"
        if design.groups is None and design.tr is None:
            return "nothing says which responses belong together (no groups.npy), so that no fold can cut through it"
    if fault is PADDING and kind != "text":
        return f"padding belongs to texts, and these stimuli are {_said(kind)}"
    if fault is CROP and kind != "image":
        return f"crops belong to pictures, and these stimuli are {_said(kind)}"
    return ""


def applicable(kind: str, design: Design) -> list[Fault]:
    """The faults that can occur."""
    return [fault for fault in FAULTS.values() if not why_not(fault, kind, design)]


def _said(kind: str) -> str:
    return {"text": "sentences", "image": "pictures"}.get(kind, "features that came with the data")
