"""Held-out measures of the shipped captioners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from brivl.core.caption_metrics import caption_scores
from brivl.errors import RequestError
from brivl.models.captioner_files import CAPTIONERS
from brivl.models.captioners import caption_images, load_captioner
from brivl.models.configs import MINI
from brivl.train.caption_checks import score_things
from brivl.train.scene_pairs import HELD_OUT_SEED, ScenePairs, scene_pairs

CAPTION_SEED = HELD_OUT_SEED + 30  # no scene of training, of the checks during it, or of another measure
N_PARAPHRASES = 4  # five references a scene, as COCO has


def caption_test_scenes(n: int) -> ScenePairs:
    """n held-out scenes, each with its canonical caption and N_PARAPHRASES others as references.

    Raises RequestError for n outside 2..20,000.
    """
    if not 2 <= n <= 20_000:
        raise RequestError(f"Wanted between 2 and 20,000 scenes and got {n}.")
    return scene_pairs(n, CAPTION_SEED, MINI.visual.image_size, MINI.visual.patch_size, N_PARAPHRASES)


def evaluate_captioning(n: int, beam: int = 1, names: Sequence[str] = CAPTIONERS) -> dict[str, dict[str, float]]:
    """For each captioner: BLEU-4, METEOR, ROUGE-L, CIDEr, and the shares of scenes and things named rightly."""
    scenes = caption_test_scenes(n)
    scores = {}
    for name in names:
        said = [caption.text for caption in caption_images(load_captioner(name), scenes.images, beam)]
        measured = asdict(caption_scores(said, scenes.captions)) | asdict(score_things(scenes.scenes, said))
        scores[name] = {measure: round(value, 4) for measure, value in measured.items()}
    return scores
