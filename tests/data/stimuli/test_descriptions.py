"""Descriptions of images: from files in both forms, and by a small BLIP with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch

from brivl.core.progress import no_progress
from brivl.core.records import Stimulus
from brivl.data.formats.descriptions import read_descriptions
from brivl.data.stimuli.descriptions import descriptions_digest, sample_descriptions
from brivl.errors import BrivlError, DataError, RequestError
from brivl.models.brivl.text_encoder import import_transformers
from brivl.models.captioning.vlm import open_vlm_captioner
from brivl.store.artifacts import Store

WORDS = ("a", "dog", "cat", "runs", "sleeps", "red", "house")


def image_stimulus(n: int = 3) -> Stimulus:
    images = np.random.default_rng(0).integers(0, 256, (n, 20, 20, 3), np.uint8)
    return Stimulus("image", images, scipy.sparse.identity(n, np.float32, "csr"))


def save_blip(folder: Path, seed: int = 0) -> Path:
    """Save a BLIP that generates random words."""
    declared = import_transformers()
    torch.manual_seed(seed)
    folder.mkdir(parents=True)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]
    (folder / "vocab.txt").write_text("\n".join([*special, *WORDS]) + "\n")
    n = len(special) + len(WORDS)
    text = {
        "vocab_size": n,
        "hidden_size": 16,
        "encoder_hidden_size": 16,
        "intermediate_size": 16,
        "eos_token_id": 3,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "bos_token_id": 5,
        "pad_token_id": 0,
        "sep_token_id": 3,
        "projection_dim": 16,
        "max_position_embeddings": 64,
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 16,
        "projection_dim": 16,
    }
    config = declared.BlipConfig(text_config=text, vision_config=vision, projection_dim=16)
    declared.BlipForConditionalGeneration(config).save_pretrained(folder)
    tokenizer = declared.BertTokenizer(str(folder / "vocab.txt"))
    processor = declared.BlipImageProcessor(size={"height": 32, "width": 32})
    declared.BlipProcessor(processor, tokenizer).save_pretrained(folder)
    return folder


def test_a_vision_language_model_from_a_folder_describes(tmp_path: Path) -> None:
    folder, store = save_blip(tmp_path / "blip"), Store(tmp_path / "cache")
    texts = sample_descriptions(store, image_stimulus(), str(folder), no_progress)
    assert len(texts) == 3 and all(set(text.split()) <= {*WORDS, "[DEC]"} for text in texts)
    assert texts == open_vlm_captioner(str(folder))(image_stimulus().items)  # the stored ones are those of the model
    before = descriptions_digest(str(folder))
    other = save_blip(tmp_path / "other", seed=1)
    assert descriptions_digest(str(other)) != before


def test_a_model_that_cannot_describe_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text(json.dumps({"model_type": "bert"}))
    for folder in ("empty", "bert"):
        with pytest.raises(RequestError, match="captions images"):
            open_vlm_captioner(str(tmp_path / folder))


def test_both_forms_of_file_give_the_same_texts(tmp_path: Path) -> None:
    lines, table = tmp_path / "a.jsonl", tmp_path / "a.tsv"
    lines.write_text('{"item": 2, "text": "a cat"}\n\n{"item": "0", "text": "a dog"}\n{"item": 1, "text": "red"}\n')
    table.write_text("item\ttext\n0\ta dog\n1\tred\n2\ta cat\n")
    store = Store(tmp_path / "cache")
    for path in (lines, table):
        assert sample_descriptions(store, image_stimulus(), str(path), no_progress) == ["a dog", "red", "a cat"]
    assert descriptions_digest(str(lines)) != descriptions_digest(str(table))


def test_image_files_go_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("one.png\ta dog\ntwo\ta cat\n2\tred\n")
    shown = [Path("x/one.png"), Path("x/two.png"), Path("x/three.png")]
    stimulus = Stimulus("image", shown, scipy.sparse.identity(3, np.float32, "csr"))
    assert sample_descriptions(Store(tmp_path / "cache"), stimulus, str(path), no_progress) == ["a dog", "a cat", "red"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"item": 0}\n', "line 1"),
        ("a.jsonl", '{"item": 0, "text": "x"}\n[1]\n', "line 2"),
        ("a.jsonl", "{" * 5000, "line 1"),
        ("a.jsonl", '{"item": true, "text": "x"}\n', "line 1"),
        ("a.tsv", "0 a dog\n", "line 1"),
        ("a.tsv", "0\t\n", "line 1"),
        ("a.tsv", "0\tx\n0\ty\n", "Expected one text for '0'"),
        ("a.tsv", "0\tx\n1\ty\n", "got none for 1, such as '2'"),
        ("a.tsv", "", "got none for 3"),
    ],
)
def test_files_that_cannot_be_used_end_in_sentences(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        read_descriptions(tmp_path / name, [("0",), ("1",), ("2",)])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(b"0\t\xff\xfe\n")
    for name in ("a.tsv", "none.tsv"):
        with pytest.raises(BrivlError, match="cannot be read|no such file"):
            sample_descriptions(Store(tmp_path / "cache"), image_stimulus(), str(tmp_path / name), no_progress)
    with pytest.raises(BrivlError, match="no such file"):
        descriptions_digest(str(tmp_path / "none.tsv"))
