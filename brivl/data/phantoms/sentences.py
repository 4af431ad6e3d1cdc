"""phantom-sentences: eight simulated subjects read 384 sentences; voxels on a 4 mm MNI grid, truth known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse

from brivl.core.records import Design, Responses, Stimulus, Truth, Voxels
from brivl.core.regions.areas import area_of
from brivl.core.simulation.planting import NO_SIGNAL, Tuning, noise_sd, oracle_scores
from brivl.data.pereira2018.passages import Passages
from brivl.data.phantoms.planting import (
    LayerFeatures,
    Planting,
    SimulatedSubject,
    layer_latents,
    planted_components,
    sample_tuning,
)

NAME = "phantom-sentences"
SUBJECTS = ("P01", "M02", "M04", "M07", "M08", "M09", "M14", "M15")
MODELS = ("brivl-mini", "minilm-l6")
CEREBELLUM = Tuning(
    4, 0.1, 0.30
)  # driven by the unimodal model, so that keeping or dropping it changes a whole-brain mean

# Planted by hand after the paper's account of its Figs. 5 and 6: by area first, then the regions that it names.
# Not layer 3 and below: there the two models are one, so that no share could be found.
AREA_TUNING: dict[str, Tuning] = {
    "Central region": Tuning(4, 0.40, 0.22),
    "Frontal lobe": Tuning(5, 0.60, 0.30),
    "Temporal lobe": Tuning(5, 0.75, 0.42),
    "Parietal lobe": Tuning(5, 0.50, 0.32),
    "Occipital lobe": Tuning(4, 0.20, 0.32),
    "Limbic lobe": Tuning(5, 0.68, 0.30),
    "Insula": Tuning(4, 0.30, 0.28),
    "Sub cortical gray nuclei": NO_SIGNAL,
}
REGION_TUNING: dict[str, Tuning] = {
    "Temporal_Pole_Sup": Tuning(6, 0.95, 0.48),
    "Temporal_Sup": Tuning(6, 0.88, 0.50),
    "Temporal_Pole_Mid": Tuning(6, 0.92, 0.46),
    "SupraMarginal": Tuning(6, 0.80, 0.42),
    "Angular": Tuning(6, 0.85, 0.46),
    "Frontal_Sup_Medial": Tuning(6, 0.82, 0.40),
    "Frontal_Sup": Tuning(5, 0.72, 0.34),
    "Precuneus": Tuning(5, 0.42, 0.32),
    "Heschl": Tuning(4, 0.10, 0.36),
    "Fusiform": Tuning(4, 0.15, 0.34),
    "ParaHippocampal": Tuning(4, 0.25, 0.30),
    "Paracentral_Lobule": NO_SIGNAL,
    "Supp_Motor_Area": NO_SIGNAL,
    "Olfactory": NO_SIGNAL,
}


@dataclass(frozen=True)
class SentencePhantomConfig:
    """Everything that changes the simulated responses, besides the features."""

    planting: Planting = field(default_factory=lambda: Planting(n_pcs=12))
    passage_share: float = 0.15  # of the noise variance is common to the sentences of a passage
    seed: int = 11
    null: bool = False


def design(passages: Passages) -> Design:
    """One response per sentence, no delays; passages must not be split."""
    return Design(None, len(passages.sentences), 0, np.zeros(1, int), groups=np.asarray(passages.passage))


def stimulus(passages: Passages) -> Stimulus:
    """Each sample is one sentence."""
    return Stimulus("text", list(passages.sentences), scipy.sparse.identity(len(passages.sentences), np.float32, "csr"))


def tuning_of(label: int, name: str) -> Tuning:
    """What is planted in an AAL1 region (1..116, with its name)."""
    if label > 90:
        return CEREBELLUM
    return REGION_TUNING.get(name.removesuffix("_L").removesuffix("_R"), AREA_TUNING[area_of(label)])


def simulate(
    config: SentencePhantomConfig,
    subject: str,
    passages: Passages,
    voxels: Voxels,
    names: tuple[str, ...],
    features: LayerFeatures,
    models: tuple[str, str] = MODELS,
) -> SimulatedSubject:
    """Responses of one subject: planted parts plus noise, part of which sentences of a passage have in common.

    The common part is what a shuffled split profits from (Hadidi et al. 2024) and a split by passages does not.
    Left-hemisphere voxels have a third more signal than right ones.
    """
    rng = np.random.default_rng([config.seed, SUBJECTS.index(subject)])
    labels = np.asarray(voxels.aal)
    tunings = {int(i): NO_SIGNAL if config.null else tuning_of(int(i), names[i - 1]) for i in np.unique(labels) if i}
    Z = layer_latents(features, models, {t.layer for t in tunings.values() if t.layer}, config.planting)
    n_samples, n_voxels = len(passages.sentences), voxels.n_voxels
    parts = np.zeros((2, n_samples, n_voxels), np.float32)
    layer, share, ev = np.zeros(n_voxels, int), np.zeros((2, n_voxels)), np.zeros(n_voxels)
    for label, tuning in sorted(tunings.items()):
        here = np.flatnonzero(labels == label)
        if not tuning.layer:
            continue
        gain = np.full(len(here), 1.0 if label % 2 else 0.75)
        a, ev[here] = sample_tuning(rng, tuning, len(here), gain, config.planting)
        layer[here], share[:, here] = tuning.layer, np.stack([a, 1 - a])
        parts[:, :, here] = planted_components(rng, Z, tuning, a, config.planting, lambda x: x)
    signal = parts.sum(0)
    sd = noise_sd(signal, ev).astype(np.float32)
    common = rng.standard_normal((int(passages.passage.max()) + 1, n_voxels), dtype=np.float32)[passages.passage]
    own = rng.standard_normal((n_samples, n_voxels), dtype=np.float32)
    Y = signal + sd * (np.sqrt(config.passage_share) * common + np.sqrt(1 - config.passage_share) * own)
    oracle, ceiling = oracle_scores(parts, Y)
    return SimulatedSubject(Responses(np.float32(Y), None, voxels), Truth(layer, share, ceiling, oracle, models))
