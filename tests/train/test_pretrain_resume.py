"""A run that was killed and resumed ends like one that was not; corrupt images are skipped, up to a limit."""

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
KILLED = {"killed": ("after metrics", 8), "torn": ("in checkpoint", 9)}  # with checkpoints of steps 3, 6, 9 and 12
BAD = "104.png"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one recipe: complete; killed at each of MOMENTS and resumed. Another on pairs a tenth of which is corrupt."""
    root = tmp_path_factory.mktemp("runs")
    save_config(root / "config.json", save_bert(root / "bert"), stochastic=True)
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
    common += ["--pairs"]
    pairs = root / "pairs"
    stages = [
        [run([*common, pairs, "--out", root / "complete"])],
        [run([*common, pairs, "--out", root / name], kill=kill) for name, kill in KILLED.items()],
        [run([*common, pairs, "--out", root / name, "--resume"]) for name in KILLED],
        [run([*common, pairs, "--out", root / "complete"])],
        [run([*common, root / "rotten", "--out", root / "stopped"])],
        [run([*common, pairs, "--out", root / "complete", "--resume", "--grad-accum", 2])],
    ]
    codes, printed = drive(stages)
    assert codes == [[0], [-9, -9], [0, 0], [2], [2], [2]], printed
    (root / "stderr").write_text(printed)
    return root


def lines(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize("killed", KILLED)
def test_a_killed_run_ends_like_one_that_was_not(killed: str, runs: Path) -> None:
    for name in ("model", "optimizer"):
        resumed, expected = (read_exact(runs / x / "step-000012" / f"{name}.safetensors") for x in (killed, "complete"))
        assert resumed.keys() == expected.keys() and len(expected) > 40
        assert all(torch.equal(resumed[key], expected[key]) for key in expected), "bit for bit"
    states = [json.loads((runs / x / "step-000012" / "state.json").read_text()) for x in (killed, "complete")]
    assert states[0] == states[1]
    weights = [(runs / x / "brivl-tiny.safetensors").read_bytes()[-2000:] for x in (killed, "complete")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("name", KILLED)
def test_metrics_have_every_step_once(name: str, runs: Path) -> None:
    complete, killed = (lines(runs / x / "metrics.jsonl") for x in ("complete", name))
    assert [line["step"] for line in complete] == [line["step"] for line in killed] == list(range(1, N_STEPS + 1))
    assert [line["loss"] for line in complete] == [line["loss"] for line in killed]
    assert [line["step"] for line in killed if "t2i_r1" in line] == [5, 10, 12]
    assert {"images_per_s", "minutes_left", "i2t_r1", "skipped"} <= killed[-1].keys()


def test_the_last_two_checkpoints_stay(runs: Path) -> None:
    for name in ("complete", *KILLED):
        assert sorted(p.name for p in (runs / name).glob("*step*")) == ["step-000009", "step-000012"]
        assert (runs / name / "latest").read_text() == "step-000012\n"


def test_the_model_is_a_file(runs: Path) -> None:
    file = runs / "complete" / "brivl-tiny.safetensors"
    model, trained = load_dual(file), read_exact(runs / "complete" / "step-000012" / "model.safetensors")
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, trained[f"model.{name}"], rtol=2**-10, atol=1e-6)
    assert dual_config(file).embed_dim == 8 and not model.training


def test_a_corrupt_image_is_skipped_counted_and_named(runs: Path) -> None:
    named = lines(runs / "complete" / "skipped-0.jsonl")
    assert named and all(row["image"].endswith(BAD) and "could not read" in row["why"] for row in named)
    assert lines(runs / "complete" / "metrics.jsonl")[-1]["skipped"] == len(named)


def test_runs_that_cannot_continue_end_with_a_reason(runs: Path) -> None:
    printed = (runs / "stderr").read_text()
    assert "more than 1%" in printed and "skipped-*.jsonl" in printed, "a tenth of the images corrupt"
    assert "holds a run at step 12. Add --resume" in printed
    assert "recipe.n_parts differ from when it was started" in printed
    assert "Traceback" not in printed


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
    budget = SkipBudget(n_pairs)
    if not too_many:
        budget.count(n_read, n_skipped)
        return
    with pytest.raises(DataError, match="more than 1%"):
        budget.count(n_read, n_skipped)


def test_a_corrupt_pair_is_replaced_by_the_next(tmp_path: Path) -> None:
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
    augmented = [augment(image, config, 32, np.random.default_rng(s)) for s in (1, 2, 3, 4, 1)]
    assert all(x.shape == (32, 32, 3) and x.dtype == np.uint8 for x in augmented)
    assert np.array_equal(augmented[0], augmented[-1]) and not any(
        np.array_equal(augmented[0], x) for x in augmented[1:-1]
    )
    random.seed(5)
    expected = random.random()
    random.seed(5)
    with seeded(9):
        random.random()
    assert random.random() == expected, "the global generators continue as they were"


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
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
    with pytest.raises(DataError, match="Expected the name of a checkpoint"):
        read_checkpoint(tmp_path)
