from __future__ import annotations

from itertools import pairwise, product

import pytest
import torch

from foretune.train.models.crf import CRF


def _score(crf: CRF, emissions: torch.Tensor, tags: tuple[int, ...]) -> torch.Tensor:
    score = crf.start[tags[0]] + crf.end[tags[-1]]
    score = score + sum(emissions[t, tag] for t, tag in enumerate(tags))
    return score + sum(crf.transitions[a, b] for a, b in pairwise(tags))


@pytest.fixture
def problem():
    torch.manual_seed(0)
    crf = CRF(3)
    for parameter in crf.parameters():
        parameter.data.normal_()
    emissions = torch.randn(3, 4, 3)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]], dtype=torch.bool)
    tags = torch.tensor([[0, 2, 1, 1], [2, 0, 99, 99], [1, 99, 99, 99]])
    return crf, emissions, tags, mask


def test_likelihood_is_that_of_brute_force(problem):
    crf, emissions, tags, mask = problem
    total = torch.zeros(())
    for row, words in enumerate(mask.sum(1).tolist()):
        paths = torch.stack(
            [_score(crf, emissions[row], path) for path in product(range(3), repeat=words)]
        )
        true = _score(crf, emissions[row], tuple(tags[row, :words].tolist()))
        total = total + torch.logsumexp(paths, 0) - true
    assert torch.allclose(crf.nll(emissions, tags, mask), total / mask.sum(), atol=1e-5)


def test_decoding_is_that_of_brute_force(problem):
    crf, emissions, _, mask = problem
    crf.requires_grad_(False)
    found = crf.decode(emissions, mask)
    for row, words in enumerate(mask.sum(1).tolist()):
        best = max(
            product(range(3), repeat=words), key=lambda p: float(_score(crf, emissions[row], p))
        )
        assert tuple(found[row, :words].tolist()) == best
        assert (found[row, words:] == 0).all()


def test_all_parts_learn(problem):
    crf, emissions, tags, mask = problem
    crf.nll(emissions, tags, mask).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in crf.parameters())
