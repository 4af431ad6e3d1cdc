"""Names and texts use the words of the field: what was renamed does not come back.

Parts of identifiers (`n_asked` has the parts n and asked), whole identifiers, and phrases of texts, each with what to
write instead.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from brivl.config import PROJECT

PARTS = {
    "asked": "request, requested",
    "found": "result, scores, rows: what it is",
    "said": "caption, note, describe_",
    "told": "report",
    "tells": "report",
    "tell": "report, on_progress",
    "how": "protocol, settings",
    "known": "stored, summary",
    "looked": "view",
    "turned": "rotated, flipped, swapped",
    "twin": "control, momentum encoder, paired dataset",
    "aside": "quarantine, tmp_path",
    "wanted": "requested, expected",
    "plate": "FigureRecord",
    "studio": "model_queue",
    "board": "queue",
    "tally": "counter",
    "shelf": "SpillBuffer",
    "rings": "symmetry_classes",
    "rivals": "baselines",
    "carried": "predictions",
    "eyes": "visual masks",
    "silent": "null voxels",
    "loud": "signal voxels",
    "lit": "highlighted",
    "unlit": "highlighted",
    "picture": "image",
    "pictures": "image",
    "film": "movie",
    "judge": "classifier",
    "writer": "decoder",
    "describer": "captioner",
    "roughened": "augmented",
    "garbage": "name what it does",
    "solid": "surface mesh",
    "ground": "base map",
}
NAMES = {
    "Alone": "HeldOutPredictions",
    "Carried": "TransferPredictions",
    "Draws": "PermutationSettings",
    "HeldOut": "FoldResponses",
    "JobBoard": "JobQueue",
    "Journal": "MetricsLogger",
    "KeysValues": "cross_attention_cache",
    "LOOK_AFTER": "CHECK_EVERY_FRACTION",
    "Limits": "SkipBudget",
    "Making": "ManifestInfo",
    "Pace": "LoggingConfig",
    "Phases": "ProgressTracker",
    "Place": "ArtifactPath, VoxelSelection, VoxelGrid",
    "SPARED": "MIN_AGE_S",
    "Seen": "ResultFingerprint",
    "Steps": "ProgressTracker",
    "Turn": "FoldProjection",
    "chance_states": "rng_states",
    "fit_anew": "refit",
    "forget_finished": "delete_completed_checkpoints",
    "go_on_with": "switch_dataset_button",
    "make_sure_of_menu": "ensure_navigation",
    "mean_table": "layer_means",
    "ready_features": "preprocess_features",
    "share_at_least": "permutation_p_value",
    "side_by_side": "concatenate_voxels",
    "spare_modules": "freeze_imported_modules",
    "stand_in": "proxy",
    "take_back": "release",
    "told_apart": "pairwise_text_accuracy",
}
PHRASES = {
    r"Wanted \w": "Expected X, got Y.",
    r"change places": "are permuted",
    r"rearrange": "permutation",
    r"the one seen": "the observed statistic",
    r"pairs won": "pairwise identification accuracy",
    r"median place": "median rank",
    r"(?<!egularisation )strengths? (of|for) (the )?(ridge|each)": "regularisation strength, alpha",
    r"[Rr]idge strength": "regularisation strength, alpha",
    r"untrained twin": "untrained control",
    r"\bA less B\b": "A − B",
    r"over the ceiling|[Oo]ver noise ceiling": "normalised by the noise ceiling",
    r"[Ff]eatures without meaning": "nuisance features",
    r"noise that remembers": "autocorrelated noise",
    r"what was shown": "the stimulus",
    r"\bstand-ins?\b|small proxy": "demo model",
    r"\bfilms?\b": "movie",
    r"where chance starts": "random seed",
    r"look for the like of": "query image",
    r"only say what would go": "dry run",
    r"[Pp]air voxels": "Use voxels as observations",
    r"What shall be found": "Search the gallery",
    r"Carry across": "Run transfer",
    r"sign turned round": "sign flipped",
    r"Put into words": "Caption voxels",
    r"Voxel words": "Voxel captions",
    r"What folds share": "Train-test leakage",
    r"What would wrong events give": "Null control",
    r"All numbers": "Table",
    r"All voxels again": "Clear region",
    r"How much alignment": "Effect of alignment weight",
    r"drawn towards descriptions": "trained with a text-alignment loss",
    r"outshout": "dominate the maximum",
    r"nobody's business": "left out",
    r"that nobody watches": "no-op",
    r"can be taken along": "can be exported",
}
# Word or phrase, start of the path, and why it stays there.
EXCEPTIONS = (
    ("ground", "brivl/scenes", "the ground on which things of a scene stand"),
    ("wanted", "brivl/data/formats", "names of variables that a reader is given, as in scipy.io"),
    ("stand_in", "brivl/data/summary.py", "the key that `--json` has always printed"),
    ("twin", "brivl/models/brivl", "stored checkpoints hold the momentum encoder under this name"),
    ("untrained twin", "brivl/analyses/integration/request.py", "as in stored results and columns of tables"),
    ("ground", "brivl/analyses/flatmap", "name of the base map in the payload that viewer.js reads"),
    ("solid", "brivl/analyses/flatmap", "name of the surface in the payload that viewer.js reads"),
    ("silent", "brivl/analyses/audit", "keys of stored audits (n_silent, silent_r2)"),
    ("silent", "brivl/encoding/recovery_report.py", "key that `recovery --json` has always printed"),
    ("picture", "brivl/sharing/saved_views.py", "field of the files of saved views"),
    ("picture", "brivl/ui/picture_input.py", "name of a query parameter of links"),
    ("known", "brivl/scenes/naming.py", "words that the scenes know, against unknown words"),
    ("writer", "brivl/tasks/worker.py", "writes lines of progress to a stream"),
)
SOURCES = sorted([*PROJECT.glob("brivl/**/*.py"), *PROJECT.glob("pages/*.py")])
DOCS = sorted([*PROJECT.glob("docs/**/*.md"), *PROJECT.glob("*.md")])
HISTORY = ("CHANGELOG.md",)  # names what was renamed


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def identifiers(path: Path) -> set[str]:
    """Names that a file defines or assigns, not those of libraries that it only uses."""
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
    return names


def parts(name: str) -> set[str]:
    words = re.sub(r"([A-Z])", r"_\1", name).lower().replace("not_found", "missing")
    return set(re.findall(r"[a-z]+", words))


def texts(path: Path) -> str:
    """All text of a file that people read: a document, or the strings and comments of a program."""
    return path.read_text(encoding="utf-8")


def findings() -> Iterator[tuple[str, str]]:
    for path in SOURCES:
        where = path.relative_to(PROJECT).as_posix()
        names = identifiers(path)
        yield from ((word, where) for word in PARTS if any(word in parts(name) for name in names))
        yield from ((word, where) for word in NAMES if word in names)
    for path in [*SOURCES, *DOCS]:
        where = path.relative_to(PROJECT).as_posix()
        if where not in HISTORY:
            yield from ((phrase, where) for phrase in PHRASES if re.search(phrase, texts(path)))


def is_excepted(word: str, where: str) -> bool:
    return any(word == one and where.startswith(start) for one, start, _ in EXCEPTIONS)


def test_words_that_were_replaced_do_not_come_back() -> None:
    new = [(word, where) for word, where in findings() if not is_excepted(word, where)]
    advice = PARTS | NAMES | PHRASES
    assert not new, "\n".join(f"{where}: write {advice[word]!r} in place of {word!r}" for word, where in new)


@pytest.mark.parametrize(("text", "word"), [("n_asked", "asked"), ("AskedFor", "asked"), ("basked", None)])
def test_a_word_is_found_in_a_name(text: str, word: str | None) -> None:
    assert (parts(text) & set(PARTS)) == ({word} if word else set())
