"""The prior over codes learns a simulated grammar, follows the guide's embedding, and is determined by its seed."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from brivl.models.generation import prior_initialisation
from brivl.models.generation.code_prior import CodePrior, PriorConfig, SamplingSettings, n_masked, sample_codes
from brivl.models.generation.inversion import image_text_similarities
from brivl.train.generation.train_prior import CodeData, PriorRecipe, masked_loss
from tests.models.generation.test_inversion import models, target  # noqa: F401 (a fixture)

N_KINDS, N_PLACES, N_CODES = 4, 16, 12
N_STEPS = 400
CONFIG = PriorConfig(N_CODES, N_PLACES, guide_width=8, width=32, depth=2, n_heads=2, n_guide_tokens=2)


def grammar(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Kinds (n,), codes (n, N_PLACES) that follow from the kind and one free code each, and centred vectors."""
    random = torch.Generator().manual_seed(seed)
    kinds = torch.randint(N_KINDS, (n,), generator=random)
    free = torch.randint(3, (n, 1), generator=random)
    codes = 3 * kinds[:, None] + (free + torch.arange(N_PLACES)) % 3
    vectors = torch.nn.functional.one_hot(kinds, 8).float() - 1 / 8
    return kinds, codes, vectors


@pytest.fixture(scope="module")
def prior() -> CodePrior:
    torch.manual_seed(0)
    model = CodePrior(CONFIG)
    _, codes, vectors = grammar(512, 0)
    data = CodeData(codes, vectors, torch.zeros(8), torch.zeros(8))
    random, optimizer = torch.Generator().manual_seed(0), torch.optim.Adam(model.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, N_STEPS)
    for step in range(N_STEPS):
        rows = torch.arange(step * 64, step * 64 + 64) % 512
        batch = replace(data, codes=codes[rows], vectors=vectors[rows])
        loss = masked_loss(model, batch, PriorRecipe(noise=0.1, drop=0.2), random)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval().requires_grad_(False)


def test_sampled_codes_follow_the_embedding_and_the_grammar(prior: CodePrior) -> None:
    kinds, _, vectors = grammar(40, 1)
    drawn = sample_codes(prior, vectors, seed=3)
    assert (drawn // 3 == kinds[:, None]).float().mean() >= 0.95  # the kind is the vector's
    steps = (drawn[:, 1:] - drawn[:, :-1]) % 3
    assert (steps == 1).float().mean() >= 0.9  # and neighbours follow one another
    assert len({int(row[0]) % 3 for row in drawn}) == 3  # what is free differs


def test_without_a_vector_all_kinds_are_as_likely(prior: CodePrior) -> None:
    masked = torch.full((1, N_PLACES), prior.mask)
    p = prior(masked, torch.zeros(1, 8), torch.zeros(1, dtype=torch.bool)).softmax(-1)
    assert torch.allclose(p.unflatten(-1, (N_KINDS, 3)).sum(-1), torch.tensor(1 / N_KINDS), atol=0.12)


def test_the_same_seed_draws_the_same(prior: CodePrior) -> None:
    vectors = grammar(5, 2)[2]
    first, again, other = (sample_codes(prior, vectors, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert int(first.min()) >= 0 and int(first.max()) < N_CODES


def test_fewer_codes_are_masked_after_each_round() -> None:
    n_rounds = SamplingSettings().n_rounds
    left = [n_masked(k, n_rounds, 64) for k in range(n_rounds + 1)]
    assert left[0] == 64 and left[-1] == 0 and left == sorted(left, reverse=True)
    assert left[n_rounds // 2] == math.floor(64 * math.cos(math.pi / 4))


def test_a_prior_that_knows_nothing_loses_the_logarithm_of_the_number_of_codes() -> None:
    blank = CodePrior(CONFIG)
    torch.nn.init.zeros_(blank.to_codes.weight)
    torch.nn.init.zeros_(blank.to_codes.bias)
    _, codes, vectors = grammar(8, 0)
    data = CodeData(codes, vectors, torch.zeros(8), torch.zeros(8))
    loss = masked_loss(blank, data, PriorRecipe(), torch.Generator().manual_seed(0))
    assert loss.item() == pytest.approx(math.log(N_CODES), abs=1e-5)


@pytest.mark.parametrize("n_rounds", [0, 2])
def test_starts_are_the_sampled_images_most_similar_to_the_text(models, monkeypatch, n_rounds: int) -> None:  # noqa: F811
    generator, guide = models
    side = generator.config.side
    torch.manual_seed(1)
    blank = CodePrior(PriorConfig(generator.config.n_embed, side * side, 8, width=16, depth=1, n_heads=2)).eval()
    text = normalize(target(), dim=0)
    monkeypatch.setattr(prior_initialisation, "N_ROUNDS", n_rounds)
    starts = prior_initialisation.sample_prior_latents(
        blank, generator, guide, prior_initialisation.guidance_for_text(blank, text), 3, seed=4
    )
    codes = sample_codes(blank, (text - blank.text_centre).expand(prior_initialisation.N_CANDIDATES, -1), 4)
    everything = generator.quantize.codes(codes.unflatten(1, (side, side)))
    best = image_text_similarities(generator, guide, text, everything).sort(descending=True).values[:3]
    assert starts.shape == (3, generator.config.embed_dim, side, side)
    assert torch.equal(generator.quantize(starts).z, starts)  # they consist of codes
    similarities = image_text_similarities(generator, guide, text, starts)
    if n_rounds:
        assert (similarities > best).all()  # half of a good image sampled again, many times: one of them is better
    else:
        torch.testing.assert_close(similarities, best)
