"""Answers stored by commit b6bafdf, before modules moved and names changed, are found and equal to the bit.

tests/stored_answers holds two plain folders, the store that commit b6bafdf filled from them and from small simulated
datasets (results that are small enough), and keys.json: each request with its arguments as they were called then, the
key's digest, and digests of the stored arrays. No path and no name of a module goes into a key.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brivl.analyses.alignment.analysis import ALIGNMENT
from brivl.analyses.audit.analysis import AUDIT
from brivl.analyses.audit.request import AuditRequest
from brivl.analyses.captioning.request import CaptionPart, caption_key
from brivl.analyses.decoding.analysis import DECODING
from brivl.analyses.drive.analysis import DRIVE
from brivl.analyses.generation.request import GenerationPart, generation_key
from brivl.analyses.integration.analysis import INTEGRATION
from brivl.analyses.retrieval.analysis import RETRIEVAL
from brivl.analyses.retrieval.request import RetrievalRequest
from brivl.analyses.transfer.analysis import TRANSFER
from brivl.analyses.voxel_captions.analysis import VOXEL_CAPTIONS
from brivl.analysis import Analysis, keys_of, request_from_json, stored
from brivl.data.dataset import Dataset
from brivl.data.registry import open_dataset
from brivl.data.stimuli.images import referenced_image
from brivl.data.subject_facts import facts_key
from brivl.encoding.fit import FitRequest, fit_key, stored_fit
from brivl.encoding.single_model import single_model_key
from brivl.encoding.time_course import TimeCourseTarget, time_course_key
from brivl.encoding.within_subject import WithinSubjectRequest, stored_within_subject, within_subject_key
from brivl.store.artifacts import Store
from brivl.store.digests import array_digest, json_digest
from brivl.store.keys import ArtifactKey

FIXTURE = Path(__file__).parent / "stored_answers"
RECORD = json.loads((FIXTURE / "keys.json").read_text(encoding="utf-8"))
LENGTH = 32  # hex digits of the digests in keys.json
RENAMED = {"n_draws": "n_permutations"}  # fields of requests
# Their keys need stimuli, which would have to be drawn first, or folders that this test does not have.
LEFT_OUT = ("forms/", "demos/attend", "demos/gallery", "demos/upload", "demos/attention")


# Decoded among captions, of which some are equal: equal candidates are one now and ties count half, so that answers
# changed, and keys with them.
CHANGED = ("movie/decode", "categories/decode")


def renamed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a request by their names of today."""
    return {RENAMED.get(name, name): value for name, value in fields.items()}


def audit_request(fields: Mapping[str, Any]) -> AuditRequest:
    """An audit as it was asked, with a fit in a field of its own; the preset is always strict."""
    asked = dict(fields)
    fit = asked.pop("fit")
    assert fit.pop("preset") == "strict"
    return request_from_json(AuditRequest, asked | fit)


def retrieval_request(fields: Mapping[str, Any]) -> RetrievalRequest:
    """A query of one model as it was asked."""
    query = dict(fields)
    models, most = (query.pop("model"),), query.pop("most")
    return RetrievalRequest(**query, models=models, max_images=most)


class Requests:
    """The requests of keys.json as the code of today takes them."""

    def __init__(self, store: Store, root: Path) -> None:
        self.store, self.root = store, root

    def value(self, value: Any) -> Any:
        """A JSON value as an argument: classes as mappings of their fields, tuples, the folder of this test."""
        if isinstance(value, dict) and "class" in value:
            return {name: self.value(inner) for name, inner in value["fields"].items()}
        if isinstance(value, dict) and "tuple" in value:
            return [self.value(inner) for inner in value["tuple"]]
        return value.replace("FOLDER", str(self.root)) if isinstance(value, str) else value

    def fit(self, fields: Mapping[str, Any]) -> FitRequest:
        return request_from_json(FitRequest, fields)

    def dataset(self, name: str) -> Dataset:
        return open_dataset(name, self.store)

    def within_subject(self, fields: Mapping[str, Any]) -> WithinSubjectRequest:
        return request_from_json(WithinSubjectRequest, renamed(fields))

    def key(self, function: str, a: Mapping[str, Any]) -> ArtifactKey:
        """The key that the code of today makes."""
        records: dict[str, Analysis[Any, Any]] = {
            "aligned_key": ALIGNMENT,
            "decode_key": DECODING,
            "caption_key": VOXEL_CAPTIONS,
            "drive_key": DRIVE,
            "integration_key": INTEGRATION,
            "transfer_key": TRANSFER,
        }
        if function in records:
            analysis = records[function]
            return keys_of(analysis, self.store, request_from_json(analysis.request, renamed(a["asked"])))[0]
        others: dict[str, Callable[[], ArtifactKey]] = {
            "fit_key": lambda: fit_key(self.store, self.fit(a["request"])),
            "alone_key": lambda: single_model_key(self.store, self.fit(a["request"]), a["model"]),
            "inference_key": lambda: within_subject_key(self.store, self.within_subject(a["asked"])),
            "course_key": lambda: time_course_key(
                self.store,
                self.fit(a["request"]),
                TimeCourseTarget(**a["place"]),
            ),
            "audit_key": lambda: keys_of(AUDIT, self.store, audit_request(a["asked"]))[0],
            "facts_key": lambda: facts_key(self.dataset(a["dataset"]), a["subject"]),
            "known_caption": lambda: caption_key(
                self.store,
                CaptionPart(a["reference"], a["model"], a["beam"]),
                referenced_image(self.store, a["reference"], 64),
            ),
            "known_retrieval": lambda: keys_of(RETRIEVAL, self.store, retrieval_request(a["query"]))[0],
            "known_imagining": lambda: generation_key(self.store, request_from_json(GenerationPart, a["asked"])),
        }
        return others[function]()


def chosen() -> Iterator[str]:
    """Requests whose keys are made without drawing stimuli."""
    for name, entry in RECORD["requests"].items():
        needs_stimulus = {"stimulus", "voxels"} & set(entry["arguments"])
        if not needs_stimulus and not name.startswith((*LEFT_OUT, *CHANGED)) and "FitParts" not in entry["function"]:
            yield name


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> Requests:
    root = tmp_path_factory.mktemp("stored")
    shutil.copytree(FIXTURE, root, dirs_exist_ok=True)
    return Requests(Store(root / "store"), root)


def key_of(name: str, requests: Requests) -> ArtifactKey:
    entry = RECORD["requests"][name]
    return requests.key(
        entry["function"].rpartition(".")[2], {k: requests.value(v) for k, v in entry["arguments"].items()}
    )


@pytest.mark.parametrize("name", sorted(chosen()))
def test_a_request_has_the_key_of_then_and_finds_the_answer_of_then(name: str, requests: Requests) -> None:
    entry = RECORD["requests"][name]
    key = key_of(name, requests)
    assert (key.kind, key.digest) == (entry["kind"], entry["digest"])
    there = entry.get("stored")
    if not there or not there["in_fixture"]:
        return
    artifact = requests.store.get(key)
    assert artifact is not None
    assert set(artifact.arrays) == set(there["arrays"])
    for array, digest in there["arrays"].items():
        assert array_digest(artifact.arrays[array])[:LENGTH] == digest, array
    assert json_digest(timeless(dict(artifact.info)))[:LENGTH] == there["info_digest"]


def timeless(info: Any) -> Any:
    """Info without computing times."""
    if isinstance(info, dict):
        return {name: timeless(value) for name, value in info.items() if "seconds" not in name}
    return [timeless(value) for value in info] if isinstance(info, list) else info


def named(part: str) -> list[str]:
    """Requests of plain folders whose answers are in the fixture."""
    entries = RECORD["requests"].items()
    return [n for n, e in entries if part in e["function"] and (e.get("stored") or {}).get("in_fixture")]


def test_stored_answers_are_read_into_the_results_of_today(requests: Requests) -> None:
    """Look-ups, not keys alone: every value has its place in the result."""
    assert len(named("fit_key")) >= 5 and len(named("inference_key")) >= 2 and len(named("integration_key")) >= 1
    for name in named("fit_key"):
        fields = requests.value(RECORD["requests"][name]["arguments"]["request"])
        found = stored_fit(requests.store, requests.fit(fields))
        assert found is not None and np.isfinite(found.result.r2_joint[found.result.selected]).all()
    for name in named("inference_key"):
        fields = requests.value(RECORD["requests"][name]["arguments"]["asked"])
        assert stored_within_subject(requests.store, requests.within_subject(fields)) is not None
    assert len(named("audit_key")) == 4
    for name in named("audit_key"):
        fields = requests.value(RECORD["requests"][name]["arguments"]["asked"])
        audit = stored(AUDIT, requests.store, audit_request(fields))
        assert audit is not None and AUDIT.headline(audit, {}) and AUDIT.tables(audit)
    assert len(named("known_retrieval")) == 3
    for name in named("known_retrieval"):
        query = retrieval_request(requests.value(RECORD["requests"][name]["arguments"]["query"]))
        matches = stored(RETRIEVAL, requests.store, query)
        assert matches is not None and RETRIEVAL.headline(matches, {}) and RETRIEVAL.tables(matches)
    for name in named("integration_key"):
        fields = renamed(requests.value(RECORD["requests"][name]["arguments"]["asked"]))
        request = request_from_json(INTEGRATION.request, fields)
        result = stored(INTEGRATION, requests.store, request)
        assert result is not None and INTEGRATION.headline(result, {}) and INTEGRATION.tables(result)
