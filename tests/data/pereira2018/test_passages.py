"""The sentence corpus of the simulated reading experiment: its layout, its language, and what a damaged file gets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from brivl.data.pereira2018.passages import PASSAGES_FILE, Passages, load_passages
from brivl.errors import DataError


@pytest.fixture(scope="module")
def passages() -> Passages:
    return load_passages()


@pytest.fixture(scope="module")
def raw_rows() -> list[list[str]]:
    """The file cut by plain string methods, as a second reader beside the csv module."""
    lines = PASSAGES_FILE.read_bytes().decode("utf-8").split("\n")
    assert lines[-1] == "", "the file ends with a line feed"
    return [line.split("\t") for line in lines[:-1]]


def words_of(sentence: str) -> list[str]:
    return re.findall(r"[a-z0-9]+(?:['-][a-z0-9]+)*", sentence.lower())


def test_counts(passages: Passages) -> None:
    assert len(passages.sentences) == 384
    assert len(passages.passage_titles) == len(set(passages.passage_titles)) == 96
    assert len(passages.topic_names) == len(set(passages.topic_names)) == 24
    assert passages.passage.shape == (384,) and passages.topic.shape == (96,)
    assert np.bincount(passages.passage).tolist() == [4] * 96
    assert np.bincount(passages.topic).tolist() == [4] * 24
    assert np.all(np.diff(passages.passage) >= 0) and np.all(np.diff(passages.topic) >= 0)


def test_index_arrays_agree_with_the_file(passages: Passages, raw_rows: list[list[str]]) -> None:
    assert raw_rows[0] == ["topic", "passage", "title", "sentence_number", "sentence"]
    for i, (topic, passage, title, number, sentence) in enumerate(raw_rows[1:]):
        p = passages.passage[i]
        assert int(passage) == p + 1
        assert topic == passages.topic_names[passages.topic[p]]
        assert title == passages.passage_titles[p]
        assert sentence == passages.sentences[i]
        assert number == str(i % 4 + 1)


def test_arrays_are_read_only(passages: Passages) -> None:
    with pytest.raises(ValueError, match="read-only"):
        passages.passage[0] = 3


def test_sentences_are_unique_also_without_case_and_punctuation(passages: Passages) -> None:
    assert len({" ".join(words_of(sentence)) for sentence in passages.sentences}) == 384


def test_typography(passages: Passages) -> None:
    for sentence in passages.sentences:
        assert sentence.isascii() and sentence.isprintable(), sentence
        assert sentence == " ".join(sentence.split()), f"white space: {sentence!r}"
        assert sentence[0].isupper(), sentence
        assert sentence[-1] in ".?!", sentence
        assert not re.search(r"\s[,.;?!]|[,;]\S", sentence), f"spacing of punctuation: {sentence!r}"


def test_length_in_words(passages: Passages) -> None:
    lengths = np.array([len(sentence.split()) for sentence in passages.sentences])
    assert lengths.min() >= 6 and lengths.max() <= 22
    # Sentences of one length would leave the sentence-length baseline nothing to explain.
    assert lengths.std() > 2.0


def test_sentences_are_no_templates(passages: Passages) -> None:
    openings = Counter(tuple(words_of(sentence)[:4]) for sentence in passages.sentences)
    assert len(openings) >= 0.9 * 384
    frames = Counter(frame for sentence in passages.sentences for frame in five_word_runs(sentence))
    frame, n_times = frames.most_common(1)[0]
    assert n_times <= 3, f"the frame {frame!r} comes {n_times} times"


def five_word_runs(sentence: str) -> set[tuple[str, ...]]:
    words = words_of(sentence)
    return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}


def test_vocabulary(passages: Passages) -> None:
    vocabulary = {word for sentence in passages.sentences for word in words_of(sentence)}
    assert len(vocabulary) >= 1500


def test_sentences_of_a_passage_share_content_words(passages: Passages) -> None:
    """More stems are shared within passages than under each of 199 shuffles of the passage labels (p = 0.005)."""
    stems = [{word[:5] for word in words_of(sentence) if len(word) >= 5} for sentence in passages.sentences]
    shared = np.array([[len(a & b) for b in stems] for a in stems], dtype=float)
    np.fill_diagonal(shared, 0.0)
    rng = np.random.default_rng(0)

    def shared_within(labels: np.ndarray) -> float:
        return float(shared[labels[:, None] == labels[None, :]].sum())

    null = [shared_within(rng.permutation(passages.passage)) for _ in range(199)]
    assert shared_within(passages.passage) > max(null)


def damage_drop_last(lines: list[str]) -> list[str]:
    return lines[:-1]


def damage_swap_sentences(lines: list[str]) -> list[str]:
    return [lines[0], lines[2], lines[1], *lines[3:]]


def damage_header(lines: list[str]) -> list[str]:
    return [lines[0].replace("title", "name"), *lines[1:]]


def damage_extra_tab(lines: list[str]) -> list[str]:
    return [*lines[:10], lines[10] + "\tmore", *lines[11:]]


def damage_repeat_sentence(lines: list[str]) -> list[str]:
    cells = lines[40].split("\t")
    return [*lines[:40], "\t".join([*cells[:4], lines[1].split("\t")[4]]), *lines[41:]]


def damage_topic(lines: list[str]) -> list[str]:
    return [*lines[:6], lines[6].replace("animals", "minerals", 1), *lines[7:]]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_drop_last, "Expected 384 sentences .* got 383"),
        (damage_swap_sentences, r"Expected .*\('1', '1'\) in line 2 .* got \('1', '2'\)"),
        (damage_header, "Expected the columns .* got .*'name'"),
        (damage_extra_tab, "Expected 5 filled cells in line 11 .*'more'"),
        (damage_repeat_sentence, "Expected 384 different sentences .* more than once"),
        (damage_topic, "line 7 .* got .*'minerals'"),
    ],
)
def test_damaged_file_is_refused_in_a_sentence(
    damage: Callable[[list[str]], list[str]], message: str, tmp_path: Path
) -> None:
    lines = PASSAGES_FILE.read_text(encoding="utf-8").splitlines()
    damaged = tmp_path / "passages.tsv"
    damaged.write_text("\n".join(damage(lines)) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load_passages(damaged)


def test_missing_empty_and_binary_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="readable text file"):
        load_passages(tmp_path / "absent.tsv")
    broken = tmp_path / "passages.tsv"
    broken.write_bytes(b"")
    with pytest.raises(DataError, match=r"got \(\)"):
        load_passages(broken)
    broken.write_bytes(b"\xff\xfe\x00topic")
    with pytest.raises(DataError, match="readable text file"):
        load_passages(broken)
