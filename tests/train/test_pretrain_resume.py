"""A run that was killed and resumed ends as one that was not; what is corrupt is skipped, up to a limit."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from brivl.data.pairs.records import ImageLocation, ImageText
from brivl.errors import DataError, RequestError
from brivl.models.brivl.checkpoint import dual_config, load_dual
from brivl.models.brivl.configs import AugmentConfig
from brivl.models.weights import read_exact
from brivl.train.augment import augment, seeded
from brivl.train.brivl.log import SkipBudget
from brivl.train.brivl.pair_sources import FilePairSource, read_or_next, split_files
from brivl.train.checkpoint import Checkpoint, read_checkpoint, save_checkpoint
from tests.support.tiny_models import save_bert
from tests.support.tiny_pairs import save_config, save_pairs
from tests.train.pretrain_driver import drive, run

N_STEPS = 12
BAD = "104.png"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one recipe: whole; killed at some step and resumed. Another on pairs of which a tenth are corrupt."""
    root = tmp_path_factory.mktemp("runs")
    save_config(root / "config.json", save_bert(root / "bert"), chance=True)
    save_pairs(root / "pairs", 105, n_corrupt=1)
    save_pairs(root / "rotten", 40, n_corrupt=4)
    common = [
        "brivl",
        "--config",
        root / "config.json",
        "--vit",
        "none",
        "--held-out",
        4,
        "--seed",
        3,
        "--steps",
        N_STEPS,
        "--log-every",
        1,
        "--evaluate-every",
        5,
        "--checkpoint-every",
        3,
    ]
    chance = np.random.default_rng()  # another step each time: what is tested holds for all of them
    kill = (root / "killed", int(chance.integers(4, N_STEPS - 2)), float(chance.uniform(0, 0.1)))
    pairs = ["--pairs", root / "pairs"]
    stages = [
        [run([*common, *pairs, "--out", root / "whole"])],
        [run([*common, *pairs, "--out", root / "killed"], kill=kill)],
        [run([*common, *pairs, "--out", root / "killed", "--resume"]), run([*common, *pairs, "--out", root / "whole"])],
        [run([*common, "--pairs", root / "rotten", "--out", root / "stopped"])],
        [run([*common, *pairs, "--out", root / "whole", "--resume", "--grad-accum", 2])],
    ]
    codes, said = drive(stages)
    assert codes == [[0], [-9], [0, 2], [2], [2]], said
    (root / "said").write_text(said)
    return root


def lines(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_killed_run_ends_as_one_that_was_not(runs: Path) -> None:
    for name in ("model", "optimizer"):
        found, wanted = (read_exact(runs / x / "step-000012" / f"{name}.safetensors") for x in ("killed", "whole"))
        assert found.keys() == wanted.keys() and len(wanted) > 40
        assert all(torch.equal(found[key], wanted[key]) for key in wanted), "bit for bit"
    states = [json.loads((runs / x / "step-000012" / "state.json").read_text()) for x in ("killed", "whole")]
    assert states[0] == states[1]
    assert (runs / "killed" / "brivl-tiny.safetensors").read_bytes()[-2000:] == (
        runs / "whole" / "brivl-tiny.safetensors"
    ).read_bytes()[-2000:]


def test_metrics_have_every_step_once(runs: Path) -> None:
    whole, killed = lines(runs / "whole" / "metrics.jsonl"), lines(runs / "killed" / "metrics.jsonl")
    assert [line["step"] for line in whole] == [line["step"] for line in killed] == list(range(1, N_STEPS + 1))
    assert [line["loss"] for line in whole] == [line["loss"] for line in killed]
    assert [line["step"] for line in killed if "t2i_r1" in line] == [5, 10, 12]
    assert {"images_per_s", "minutes_left", "i2t_r1", "skipped"} <= killed[-1].keys()


def test_the_last_two_checkpoints_stay(runs: Path) -> None:
    for name in ("whole", "killed"):
        assert sorted(p.name for p in (runs / name).glob("*step*")) == ["step-000009", "step-000012"]
        assert (runs / name / "latest").read_text() == "step-000012\n"


def test_the_model_is_a_file(runs: Path) -> None:
    file = runs / "whole" / "brivl-tiny.safetensors"
    model, trained = load_dual(file), read_exact(runs / "whole" / "step-000012" / "model.safetensors")
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, trained[f"model.{name}"], rtol=2**-10, atol=1e-6)
    assert dual_config(file).embed_dim == 8 and not model.training


def test_a_corrupt_image_is_skipped_counted_and_named(runs: Path) -> None:
    named = lines(runs / "whole" / "skipped-0.jsonl")
    assert named and all(row["image"].endswith(BAD) and "could not read" in row["why"] for row in named)
    assert lines(runs / "whole" / "metrics.jsonl")[-1]["skipped"] == len(named)


def test_what_cannot_go_on_is_said(runs: Path) -> None:
    said = (runs / "said").read_text()
    assert "more than 1%" in said and "skipped-*.jsonl" in said, "a tenth of the images corrupt"
    assert "holds a run at step 12: add --resume" in said
    assert "recipe.n_parts differ from when it was started" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("n_pairs", "n_read", "n_skipped", "too_many"),
    [
        (100, 8, 1, False),
        (100, 8, 2, True),
        (50, 8, 1, True),
        (10**6, 8, 8, False),
        (10**6, 5000, 50, False),
        (10**6, 5000, 51, True),
    ],
)
def test_the_limit_is_one_in_a_hundred(n_pairs: int, n_read: int, n_skipped: int, too_many: bool) -> None:
    limits = SkipBudget(n_pairs)
    if not too_many:
        limits.count(n_read, n_skipped)
        return
    with pytest.raises(DataError, match="more than 1%"):
        limits.count(n_read, n_skipped)


def test_the_next_pair_stands_in(tmp_path: Path) -> None:
    save_pairs(tmp_path / "pairs", 3, n_corrupt=1)
    pairs = tuple(ImageText(ImageLocation(tmp_path / "pairs" / f"{i:03d}.png"), str(i)) for i in range(3))
    source = FilePairSource(pairs, 16)
    assert [read_or_next(source, i, (0,)).caption for i in range(3)] == ["0", "1", "0"]
    assert [i for i, _ in read_or_next(source, 2, (0,)).skipped] == [2]
    with pytest.raises(DataError, match="100 images in a row"):
        read_or_next(FilePairSource(pairs[2:] * 200, 16), 0, (0,))


def test_held_out_images_are_not_trained_on() -> None:
    pairs = tuple(ImageText(ImageLocation(Path(f"{i // 5}.png")), str(i)) for i in range(50))
    train, held_out = split_files(pairs, 3, 0, 16)
    assert len(train) == 35 and len(held_out) == 3
    assert not {p.location for p in train.pairs} & {p.location for p in held_out.pairs}
    with pytest.raises(RequestError, match="--held-out"):
        split_files(pairs, 10, 0, 16)


def test_augmentation_is_by_its_seed_alone(rng: np.random.Generator) -> None:
    config = AugmentConfig(blur=0.5, gray=0.5)
    image = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    made = [augment(image, config, 32, np.random.default_rng(s)) for s in (1, 2, 3, 4, 1)]
    assert all(x.shape == (32, 32, 3) and x.dtype == np.uint8 for x in made)
    assert np.array_equal(made[0], made[-1]) and not any(np.array_equal(made[0], x) for x in made[1:-1])
    random.seed(5)
    expected = random.random()
    random.seed(5)
    with seeded(9):
        random.random()
    assert random.random() == expected, "the world's chance goes on as it was"


def test_a_damaged_checkpoint_is_told(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path) is None
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, Checkpoint(step, {"a": torch.full((2,), step / 3)}, {}, {"x": [step]}))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["latest", "step-000002", "step-000003"]
    assert torch.equal(read_checkpoint(tmp_path).model["a"], torch.ones(2))
    file = tmp_path / "step-000003" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(DataError, match="damaged"):
        read_checkpoint(tmp_path)
    (tmp_path / "latest").write_text("../elsewhere\n")
    with pytest.raises(DataError, match="should name a checkpoint"):
        read_checkpoint(tmp_path)
