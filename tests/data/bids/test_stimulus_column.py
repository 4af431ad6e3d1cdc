"""Which column of the events names the stimuli, on tables in the form of public folders."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from brivl.data.bids.stimulus_column import StimulusColumn, choose_column
from brivl.data.bids.stimulus_files import StimulusFiles
from brivl.errors import DataError

WORDS = tuple(f"sentence number {i} of the story" for i in range(12))
IMAGES = tuple(f"dog/dog_{i:02d}s.jpg" for i in range(12))


def table(**columns: tuple[str, ...]) -> dict[str, list[str]]:
    n = len(next(iter(columns.values())))
    return {"onset": [str(i) for i in range(n)], "duration": ["1"] * n} | {k: list(v) for k, v in columns.items()}


def chosen(folder: Path, *tables: dict[str, list[str]], requested: str = "") -> StimulusColumn:
    return choose_column(tables, StimulusFiles(folder), "set", requested)


def put(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        path = folder / "stimuli" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_names_of_images_in_the_column_stimulus_are_images(tmp_path: Path) -> None:
    put(tmp_path, IMAGES)
    assert chosen(tmp_path, table(stimulus=IMAGES)) == StimulusColumn("stimulus", "image")


def test_image_files_beat_words_in_a_column_of_higher_order(tmp_path: Path) -> None:
    """`stimulus` with words and `stim_file` with files: the file names were embedded as sentences once."""
    put(tmp_path, IMAGES)
    assert chosen(tmp_path, table(stimulus=WORDS, stim_file=IMAGES)).name == "stim_file"


def test_files_in_a_column_of_any_name_beat_conditions_even_before_they_are_fetched(tmp_path: Path) -> None:
    events = table(trial_type=("exp", "test", "catch") * 4, response_time=("0.5",) * 12, file_path=IMAGES)
    assert chosen(tmp_path, events) == StimulusColumn("file_path", "image")


def test_names_without_endings_are_images_where_such_files_are_there(tmp_path: Path) -> None:
    names = tuple(f"n0457{i:04d}_{i}" for i in range(12))
    events = table(event_type=("stimulus", "rest") * 6, stimulus_name=names, stimulus_id=tuple(map(str, range(12))))
    assert chosen(tmp_path, events) == StimulusColumn("stimulus_name", "text", codes=True)
    put(tmp_path, tuple(f"{name}.JPEG" for name in names))
    assert chosen(tmp_path, events) == StimulusColumn("stimulus_name", "image")


def test_words_that_vary_beat_words_that_do_not(tmp_path: Path) -> None:
    assert chosen(tmp_path, table(stimulus=("sentence",) * 12, text=WORDS)).name == "text"
    assert chosen(tmp_path, table(stimulus=("a", "b") * 6, caption=WORDS)).name == "caption"
    assert chosen(tmp_path, table(trial_type=("one",) * 12)).name == "trial_type"


def test_equal_columns_are_taken_in_the_usual_order_and_only_where_every_run_has_them(tmp_path: Path) -> None:
    both, one = table(sentence=WORDS, text=WORDS), table(text=WORDS)
    assert chosen(tmp_path, both, both).name == "sentence"
    assert chosen(tmp_path, both, one).name == "text"


def test_responses_and_sound_files_are_no_stimuli(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Expected a column that names the stimuli .* got the columns .*Response"):
        chosen(tmp_path, table(Response=("left", "right") * 6, RT=("1.2",) * 12))
    events = table(trial_type=("story", "music") * 6, stim_file=tuple(f"{i}.wav" for i in range(12)))
    assert chosen(tmp_path, events).name == "trial_type"
    with pytest.raises(DataError, match="got names of other files such as '0.wav'"):
        chosen(tmp_path, events, requested="stim_file")


def test_a_column_can_be_named(tmp_path: Path) -> None:
    events = table(sentence=WORDS, Response=("left", "right") * 6)
    assert chosen(tmp_path, events, requested="Response") == StimulusColumn("Response", "text")
    with pytest.raises(DataError, match="the column 'words' .* got no such column. Choose one of sentence, Response"):
        chosen(tmp_path, events, requested="words")


def test_what_was_taken_is_said() -> None:
    assert StimulusColumn("trial_type", "text").describe(["shoe", "face", "house"]) == (
        "3 distinct texts from the column trial_type: face, house, shoe."
    )
    assert StimulusColumn("stim_file", "image").describe(IMAGES) == "12 distinct images from the column stim_file."


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_as_other_systems_write_them_find_their_file(tmp_path: Path, form: str) -> None:
    put(tmp_path, (unicodedata.normalize(form, "animals and cars/pic é 1.png"),))
    files = StimulusFiles(tmp_path)
    for name in ("animals and cars\\pic é 1.png", "./animals and cars/pic é 1.png", "stimuli/animals and cars/pic é 1"):
        for other in ("NFC", "NFD"):
            assert files.find(unicodedata.normalize(other, name)) is not None
    assert files.find("pic é 1.png") is not None  # the only file of this name
    for name in ("../secret.png", "/etc/passwd", "x" * 5000, "a\0b.png", ""):
        assert files.find(name) is None
