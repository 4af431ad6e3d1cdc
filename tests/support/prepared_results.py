"""Answers of pages that ask of one subject as workers would have stored them, made of small numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse

from brivl.analyses.alignment.request import AlignmentRequest
from brivl.analyses.attention.compute import n_start_layers
from brivl.analyses.attention.request import AttentionRequest
from brivl.analyses.audit.faults import FAULTS, applicable, why_not
from brivl.analyses.audit.nuisance import BASELINES
from brivl.analyses.audit.request import AuditRequest
from brivl.analyses.audit.rows import FAULT_COLUMNS
from brivl.analyses.captioning.request import CaptioningRequest
from brivl.analyses.decoding.analysis import DECODING
from brivl.analyses.decoding.request import DecodingRequest
from brivl.analyses.drive.analysis import DRIVE
from brivl.analyses.drive.request import DriveRequest
from brivl.analyses.generation.request import GenerationRequest
from brivl.analyses.integration.analysis import INTEGRATION
from brivl.analyses.integration.request import IntegrationRequest
from brivl.analyses.retrieval.request import RetrievalRequest
from brivl.analyses.transfer.request import MODALITIES, TransferRequest
from brivl.analyses.transfer.result import SCORES
from brivl.analyses.voxel_captions.analysis import VOXEL_CAPTIONS
from brivl.analyses.voxel_captions.request import VoxelCaptionsRequest
from brivl.analysis import Analysis, keys_of
from brivl.core.records import Design, Stimulus
from brivl.data.registry import open_dataset
from brivl.data.stimuli.contact_sheet import contact_sheet
from brivl.data.subject_facts import load_facts
from brivl.models.captioning.digests import CAPTIONERS
from brivl.scenes.things import COLOURS, KINDS
from brivl.store.artifacts import Store

REGIONS = ["V1", "FFA"]  # of a simulated folder in the form of shortclips
N_VOXELS = 8
WRITTEN = "A red face smiles in a room."


def prepare(store: Store, data: str, subject: str) -> None:
    """Store what Decoding, Voxel captions, Integration and Drive look up for a dataset of movies."""
    dataset = open_dataset(data, store)
    load_facts(store, dataset, subject)
    rng = np.random.default_rng(0)
    words_key = keys_of(VOXEL_CAPTIONS, store, VoxelCaptionsRequest(data, subject), dataset)[0]
    store.put(words_key, *_words(dataset.stimulus(subject), rng))
    key = keys_of(DECODING, store, DecodingRequest(data, subject), dataset)[0]
    store.put(key, *_decoded(dataset.stimulus(subject), rng))
    key = keys_of(INTEGRATION, store, IntegrationRequest(data, subject, layer=8), dataset)[0]
    store.put(key, *_integration(rng))
    store.put(keys_of(DRIVE, store, DriveRequest(data, subject, "FFA"), dataset)[0], *_driven(rng))


SMALL = "phantom-movie:120/20"  # its keys are made without simulating it
SMALL_STORIES = "phantom-stories:120/40"


def frames(n: int = 12) -> Stimulus:
    """Random images as a stimulus, one per sample."""
    items = np.random.default_rng(0).integers(0, 256, (n, 64, 64, 3), dtype=np.uint8)
    return Stimulus("image", items, scipy.sparse.identity(n, np.float32, "csr"))


def prepared_request(analysis: Analysis, store: Store) -> Any:
    """Store a small made-up result of an analysis; the request that it answers."""
    request, results = PREPARED[analysis.name](np.random.default_rng(0))
    for key, (arrays, info) in zip(keys_of(analysis, store, request), results, strict=True):
        store.put(key, arrays, info)
    return request


def _decoding_sample(rng: np.random.Generator) -> tuple[Any, list[tuple[dict, dict]]]:
    return DecodingRequest(SMALL, "S01"), [_decoded(frames(), rng)]


def _voxel_captions_sample(rng: np.random.Generator) -> tuple[Any, list[tuple[dict, dict]]]:
    return VoxelCaptionsRequest(SMALL, "S01"), [_words(frames(), rng)]


def _drive_sample(rng: np.random.Generator) -> tuple[Any, list[tuple[dict, dict]]]:
    return DriveRequest(SMALL, "S01", "FFA"), [_driven(rng)]


def _captioning_sample(rng: np.random.Generator) -> tuple[Any, list[tuple[dict, dict]]]:
    words = ["A", "red", "face", ".", "<end>"]
    results = []
    for model in CAPTIONERS:
        arrays = {
            "log_probs": -rng.random(len(words)).astype(np.float32),
            "attention": rng.random((len(words), 8, 8)).astype(np.float32),
        }
        info = {"model": model, "beam": 1, "text": "A red face.", "words": words, "score": -0.2}
        results.append((arrays, info))
    return CaptioningRequest("scene:4"), results


def _alignment_sample(rng: np.random.Generator) -> tuple[Any, list[tuple[dict, dict]]]:
    weights, n_seeds = (0.0, 0.1), 2
    plain = {"reads_text": False, "control": False}
    models = [{"name": f"λ = {weight:g}", "weight": weight, "stage": 1, **plain} for weight in weights]
    shuffled = {"name": "λ = 0.1, descriptions shuffled", "weight": 0.1, "stage": 1, **plain, "control": True}
    ridge = {"weight": None, "stage": 0, **plain}
    models += [
        shuffled,
        ridge | {"name": "ridge, image features"},
        ridge | {"name": "banded ridge, a band for each layer"},
        ridge | {"name": "ridge, descriptions alone", "reads_text": True},
    ]
    arrays = {
        "r": rng.uniform(0.2, 0.6, (len(models), N_VOXELS)).astype(np.float32),
        "r2": rng.uniform(0.1, 0.4, (len(models), N_VOXELS)).astype(np.float32),
        "columns": np.arange(N_VOXELS),
        "weights": np.array(weights),
        "held_loss": rng.uniform(0.2, 0.3, (2, n_seeds)),
        "curve": rng.uniform(0.2, 0.4, (2, n_seeds, 2)),
        "told": rng.uniform(0.5, 1, (2, n_seeds)),
        "regions": np.repeat(np.eye(2, dtype=bool), N_VOXELS // 2, axis=1),
    }
    counts = {"n_fit": 108, "n_held": 12, "n_test": 20, "n_components": 8, "n_distinct": 40}
    info = {
        "models": models,
        "regions": REGIONS,
        "chosen": 0.1,
        "simulated": True,
        "layers": [4, 8, 12],
        **counts,
        "has_test_set": True,
        "explained": 0.6,
        "sample_texts": ["A red face."],
        "passes": [3] * 4,
    }
    request = AlignmentRequest(
        "phantom-categories:120/20", "C01", n_components=8, weights=weights, n_seeds=n_seeds, n_blocks=0
    )
    return request, [(arrays, info)]


def _generation_sample(rng: np.random.Generator) -> tuple[Any, list[tuple[dict, dict]]]:
    prompts = ("a red car", "a blue dog")
    results = []
    for prompt in prompts:
        images = rng.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
        arrays = {
            "image": images[0],
            "steps": np.array([0, 10]),
            "similarities": np.array([0.1, 0.7]),
            "previews": images[1:],
            "kinds": rng.random(len(KINDS)),
            "colours": rng.random(len(COLOURS)),
        }
        results.append((arrays, {"prompt": prompt, "similarity": 0.7, "seconds": 1.5}))
    return GenerationRequest(prompts), results


def _attention_sample(rng: np.random.Generator) -> tuple[Any, list[tuple[dict, dict]]]:
    layers = n_start_layers()
    arrays = {
        "patches": rng.random((layers["image"], 8, 8)).astype(np.float32),
        "words": rng.random((layers["text"], 3)).astype(np.float32),
    }
    info = {"phrase_similarity": 0.4, "query_similarity": 0.5, "n_words_read": 3, "query": "a red car", "phrase": "car"}
    return AttentionRequest("scene:4", "a red car", "car"), [(arrays, info)]


def _retrieval_sample(rng: np.random.Generator) -> tuple[Any, list[tuple[dict, dict]]]:
    n = 12
    arrays = {
        "rows": rng.permutation(2000)[:n],
        "scores": np.sort(rng.random(n).astype(np.float32))[::-1],
        "shows": rng.random(n) < 0.5,
    }
    info = {
        "gallery": "scenes",
        "model": "brivl-mini",
        "formula": "“a red car”",
        "n_searched": 2000,
        "bad": [],
        "n_bad": 0,
        "index_recall": None,
        "notices": [],
        "thing": "red car",
        "n_showing": 12,
    }
    return RetrievalRequest("a red car", k=5), [(arrays, info)]


def audit_info(n_silent: int = 4, kind: str = "image", design: Design | None = None) -> dict[str, Any]:
    """Made-up rows of an audit: each fault changes joint R2 by another step, all at once by the most."""
    design = design or Design(2.0, 80, 40, np.array([0, 40]))
    faults: list[dict[str, Any]] = []
    steps = {fault.name: -0.01 * i for i, fault in enumerate(applicable(kind, design), 1)}
    for fault in FAULTS.values():
        row: dict[str, Any] = dict.fromkeys(FAULT_COLUMNS) | {"fault": fault.name, "title": fault.title}
        row |= {"why_not": why_not(fault, kind, design), "n_silent": n_silent or None}
        if not row["why_not"]:
            row |= _pair({"joint": 0.4, "a": 0.15, "b": 0.25, "difference": -0.1}, steps[fault.name], "off", "on")
            row |= {"n_off": N_VOXELS, "n_on": N_VOXELS, "counted_as": "voxels"}
        faults.append(row)
    baselines = []
    for name in ("luminance", "untrained"):
        row = {"baseline": name, "title": BASELINES[name].title, "alone": 0.02, "alone_shuffled": None}
        row |= _pair({"joint": 0.4, "a": 0.15, "b": 0.25, "difference": -0.1}, -0.005, "without", "with")
        baselines.append(row | {"baseline_with": 0.001})
    return {
        "faults": faults,
        "baselines": baselines,
        "n_voxels": N_VOXELS,
        "n_silent": n_silent,
        "simulated": True,
        "leaks": {"strict": "", "paper": "Leakage: 4 of 12 runs."},
        "shared_items": 0,
        "n_held_out": 40,
        "models": ["brivl-mini", "vit-mini"],
    }


def _pair(scores: dict[str, float], change: float, before: str, after: str) -> dict[str, float]:
    """Scores in two states, and their change."""
    changes = {f"{name}_change": change for name in scores}
    values = {f"{name}_{before}": value for name, value in scores.items()}
    return changes | values | {f"{name}_{after}": round(value + change, 6) for name, value in scores.items()}


def _audit_sample(rng: np.random.Generator) -> tuple[Any, list[tuple[dict, dict]]]:
    return AuditRequest(SMALL, "S01", ("brivl-mini", "vit-mini"), 8), [({}, audit_info())]


# Analysis -> request, and arrays and info of each part of its stored result.
PREPARED: dict[str, Callable[[np.random.Generator], tuple[Any, list[tuple[dict, dict]]]]] = {
    "alignment": _alignment_sample,
    "attention": _attention_sample,
    "audit": _audit_sample,
    "captioning": _captioning_sample,
    "decoding": _decoding_sample,
    "voxel_captions": _voxel_captions_sample,
    "drive": _drive_sample,
    "generation": _generation_sample,
    "retrieval": _retrieval_sample,
    "integration": lambda rng: (IntegrationRequest(SMALL, "S01", layer=8), [_integration(rng)]),
    "transfer": lambda rng: (TransferRequest(SMALL_STORIES, "S01"), [transferred(rng)]),
}


def _decoded(stimulus: object, rng: np.random.Generator) -> tuple[dict, dict]:
    n = 6  # held-out stimuli
    steps = [{"name": f"+ {name}", "kind": "cumulative", "n_voxels": 4 + 4 * i} for i, name in enumerate(REGIONS)]
    sets = [{"name": "all voxels", "kind": "whole", "n_voxels": N_VOXELS}]
    sets += [{"name": name, "kind": "region", "n_voxels": 4} for name in REGIONS] + steps
    arrays = {
        "image_ranks": rng.integers(0, n, (len(sets), n)),
        "image_p": np.full(len(sets), 0.2),
        "image_nearest": np.arange(n)[:, None] * np.ones(5, int),
        "pool": np.zeros(n, int),
        "sheet": np.frombuffer(contact_sheet(stimulus, np.arange(n)), np.uint8),
    }
    info = {
        "sets": sets,
        "spaces": ["image"],
        "texts": ["A face."] * n,
        "kind": "image",
        "n_pools": 1,
        "window": 3,
        "tr": 2.0,
        "n_voxels": N_VOXELS,
        "simulated": True,
        "smallest_p": 0.05,
        "level": "roi",
    }
    return arrays, info


def _words(stimulus: object, rng: np.random.Generator) -> tuple[dict, dict]:
    sheet = contact_sheet(stimulus, np.arange(6 * len(REGIONS)))
    region = {"words": ["face"], "sentences": ["A face."], "written": WRITTEN, "n_voxels": 5, "r2": 0.2, "rows": [0]}
    arrays = {
        "columns": np.arange(N_VOXELS),
        "r2": np.full(N_VOXELS, 0.2, np.float32),
        "words": np.zeros((N_VOXELS, 5), int),
        "sentences": np.zeros((N_VOXELS, 3), int),
        "weights": rng.standard_normal((4, N_VOXELS)).astype(np.float16),
        "sheet": np.frombuffer(sheet, np.uint8),
    }
    info = {
        "regions": {name: region for name in REGIONS},
        "vocabulary": ["face"],
        "corpus": ["A face."],
        "written": [WRITTEN] * N_VOXELS,
        "kind": "image",
        "simulated": True,
        "n_voxels": N_VOXELS,
        "agreement": 0.25,
        "shuffled": 0.0,
        "truth": None,
    }
    return arrays, info


def _integration(rng: np.random.Generator) -> tuple[dict, dict]:
    bands, rivals = ["multimodal", "language", "vision"], ["language", "vision", "untrained twin", "vision + language"]
    regions = ["all voxels", *REGIONS]
    n, by_rival = len(regions), (len(rivals), len(regions))
    arrays = {
        "r2": rng.uniform(0, 0.3, (1 + len(rivals), n)),
        "difference": rng.normal(0, 0.1, by_rival),
        "ci": rng.normal(0, 0.1, (2, *by_rival)),
        "p": np.full(by_rival, 0.2),
        "chance": np.full(n, 0.01),
        "p_all": np.full(n, 0.2),
        "q_all": np.array([np.nan, 0.2, 0.2]),
        "split": rng.uniform(0, 0.1, (len(bands), n)),
    }
    info = {
        "regions": regions,
        "n_voxels": [8, 4, 4],
        "bands": bands,
        "sets": ["multimodal", *rivals],
        "rivals": rivals,
        "layers": {"multimodal": 8, "language": 4, "vision": 8, "untrained twin": 8},
        "simulated": True,
        "beside": ["untrained twin"],
        "blocks": "blocks of 20 s",
        "n_blocks": 9,
        "kind": "image",
    }
    return arrays, info


def _driven(rng: np.random.Generator) -> tuple[dict, dict]:
    n, kinds = 3, np.eye(len(KINDS))[:3]
    pictures = rng.integers(0, 256, (2, n, 64, 64, 3), dtype=np.uint8)
    arrays = {
        "images": pictures[0],
        "predicted": np.full(n, 2.0),
        "kinds": kinds,
        "natural": pictures[1],
        "natural_predicted": np.full(n, 1.5),
        "natural_kinds": kinds,
        "random_kinds": kinds,
        "columns": np.arange(N_VOXELS),
        "of_voxels": rng.standard_normal(N_VOXELS),
    }
    return arrays, {"by_region": {"V1": 0.1, "FFA": 2.0}, "simulated": True, "seconds": 1.0, "wanted": None}


def transferred(rng: np.random.Generator) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Small made-up numbers in the form of a stored transfer between stories and movie, with two components."""
    regions, n_components, n_frames = ["all voxels", "V1", "EBA"], 2, 4
    sets = ("multimodal", "unimodal")
    tiles = frames(2 * n_components * n_frames)
    arrays = {f"{s}.{m}.{what}": rng.uniform(0, 0.4, len(regions)) for s in sets for m in MODALITIES for what in SCORES}
    arrays |= {f"better.{m}": np.full(len(regions), 0.2) for m in MODALITIES}
    by_voxel = [f"{what}.{m}" for m in MODALITIES for what in ("within", "across")]
    arrays |= {f"voxels.{name}": rng.uniform(0, 0.4, 4).astype(np.float32) for name in by_voxel}
    arrays |= {
        "voxels.columns": np.arange(4),
        "voxels.sign": np.array([1, 1, -1, -1]),
        "agreement": np.array([0.8, 0.1]),
        "explained": np.array([0.5, 0.2]),
        "component_r": np.full((2, n_components), 0.1),
        "component_p": np.array([[0.01, 0.4], [0.02, 0.5]]),
        "sheet": np.frombuffer(contact_sheet(tiles, np.arange(2 * n_components * n_frames)), np.uint8),
    }
    info = {
        "regions": regions,
        "n_voxels": [8, 4, 4],
        "scores": [[s, m, what] for s in sets for m in MODALITIES for what in SCORES],
        "voxels": ["columns", "sign", *by_voxel],
        "whole": regions[0],
        "turned": {"multimodal": ["EBA"], "unimodal": []},
        "maps": {"multimodal": [0.3, 0.3], "unimodal": [0.2, 0.2]},
        "streams": {
            "multimodal": [["brivl-mini", 12], ["brivl-mini", 6]],
            "unimodal": [["vit-mini", 12], ["minilm-l6", 6]],
        },
        "words": [[["dog"], ["bus"]], [["sea"], ["room"]]],
        "frames": n_frames,
        "n_multimodal": 90,
        "simulated": True,
        "tested": {"stories": True, "movie": True},
        "n_blocks": {"stories": 4, "movie": 4},
        "blocks": "blocks of 20 s",
        "names": [SMALL_STORIES, f"{SMALL_STORIES},movie"],
        "tr": 2.0,
        "visual": ["V1", "EBA"],
        "truth": {"shared_regions": ["EBA"], "inverse_regions": ["EBA"], "subspace": None, "sign_accuracy": 1.0},
    }
    return arrays, info
