"""phantom-sentences: eight simulated subjects read 384 sentences; voxels on a 4 mm MNI grid."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse

from brivl.core.records import Design, Responses, Stimulus, Truth, Voxels
from brivl.core.regions.areas import area_of
from brivl.core.simulation.planting import NO_SIGNAL, Tuning, noise_sd, oracle_scores
from brivl.data.pereira2018.passages import Passages
from brivl.data.phantoms.names import PHANTOM_SENTENCES
from brivl.data.phantoms.planting import LayerFeatures, Planting, SimulatedSubject, layer_latents, plant_signals

NAME = PHANTOM_SENTENCES
SUBJECTS = ("P01", "M02", "M04", "M07", "M08", "M09", "M14", "M15")
MODELS = ("brivl-mini", "minilm-l6")
RIGHT_GAIN = 0.75  # of the explainable variance of the right hemisphere; 1 in the left
# The cerebellum is driven by the unimodal model, so that including or excluding it changes a whole-brain mean.
CEREBELLUM = Tuning(4, 0.1, 0.30)

# Chosen after Figs. 5 and 6 of Lu et al. (2022): by area first, then the regions that the paper names. Layers from 4
# on, since the two models have equal weights up to layer 3, where no variance fraction could be recovered.
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
    """Everything that changes the simulated responses, besides the features.

    Attributes
    ----------
    planting : Planting
        Settings of the simulated brain.
    passage_share : float
        Fraction of the noise variance that sentences of a passage have in common.
    seed : int
        Random seed.
    null : bool
        Whether no voxel has a signal.
    """

    planting: Planting = field(default_factory=lambda: Planting(n_pcs=12))
    passage_share: float = 0.15
    seed: int = 11
    null: bool = False


def design(passages: Passages) -> Design:
    """Return one response per sentence, without delays; passages must not be split between folds.

    Parameters
    ----------
    passages : Passages
        The sentences.

    Returns
    -------
    Design
        Its groups are the passages.
    """
    return Design(None, len(passages.sentences), 0, np.zeros(1, int), groups=np.asarray(passages.passage))


def stimulus(passages: Passages) -> Stimulus:
    """Return the sentences, one per sample.

    Parameters
    ----------
    passages : Passages
        The sentences.

    Returns
    -------
    Stimulus
        Texts.
    """
    return Stimulus("text", list(passages.sentences), scipy.sparse.identity(len(passages.sentences), np.float32, "csr"))


def tuning_of(label: int, name: str) -> Tuning:
    """Return what is planted in an AAL1 region.

    Parameters
    ----------
    label : int
        Number of the region, 1 to 116.
    name : str
        Its name.

    Returns
    -------
    Tuning
        Layer, variance fraction and explainable variance.
    """
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
    """Simulate the responses of one subject.

    Parameters
    ----------
    config : SentencePhantomConfig
        Settings.
    subject : str
        One of SUBJECTS; part of the seed.
    passages : Passages
        The sentences.
    voxels : Voxels
        Voxels with AAL1 labels.
    names : tuple of str
        Names of the AAL1 regions.
    features : LayerFeatures
        Features by model and layer.
    models : (str, str)
        Multimodal and unimodal model.

    Returns
    -------
    SimulatedSubject
        Planted signals plus noise, part of which sentences of a passage have in common; and the truth.

    Notes
    -----
    A shuffled split profits from the noise that sentences of a passage share (Hadidi et al. 2024); a split by passages
    does not.
    """
    rng = np.random.default_rng([config.seed, SUBJECTS.index(subject)])
    labels = np.asarray(voxels.aal)
    tunings = {int(i): NO_SIGNAL if config.null else tuning_of(int(i), names[i - 1]) for i in np.unique(labels) if i}
    latents = layer_latents(features, models, {t.layer for t in tunings.values() if t.layer}, config.planting)
    n_samples, n_voxels = len(passages.sentences), voxels.n_voxels
    gain = np.where(labels % 2, 1.0, RIGHT_GAIN)  # odd labels are in the left hemisphere
    planted = plant_signals(rng, tunings, labels, gain, latents, config.planting, n_samples)
    signal = planted.components.sum(0)
    sd = noise_sd(signal, planted.ev).astype(np.float32)
    common = rng.standard_normal((int(passages.passage.max()) + 1, n_voxels), dtype=np.float32)[passages.passage]
    own = rng.standard_normal((n_samples, n_voxels), dtype=np.float32)
    Y = signal + sd * (np.sqrt(config.passage_share) * common + np.sqrt(1 - config.passage_share) * own)
    oracle, ceiling = oracle_scores(planted.components, Y)
    truth = Truth(planted.layer, planted.variance_fraction, ceiling, oracle, models)
    return SimulatedSubject(Responses(Y.astype(np.float32), None, voxels), truth)
