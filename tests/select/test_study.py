"""Do 32 shots say which of twelve models is the better one?

A pool has twelve synthetic models of 128, 384 or 768 dimensions. They differ in how far the
classes lie apart, and in what should not matter: the decay of the spectrum, the mean and the unit
of the features. What a probe says is compared with the accuracy of the best linear classifier,
that of unlimited rows, by rank correlation. Every probe depends on the inner products of
rows alone, so the axes may be those of the covariance.
"""

import numpy as np
import pytest

from foretune.select import PROBES, Support, h_score, logme, rank_average

DIMENSIONS, SHOTS, POOLS, SIGNALS = (128, 384, 768), 32, 12, 16
UNCORRECTED = {
    "logme uncorrected": lambda s: logme(s, corrected=False),
    "h_score uncorrected": lambda s: h_score(s, corrected=False),
}


def model(rng, *, D, quality, C):
    """A support set (SHOTS, D) as one model sees it, and the best accuracy by its features."""
    centres = quality * rng.standard_normal((C, SIGNALS))
    deviation = (1.0 + np.arange(D)) ** (-rng.uniform(0, 0.5))
    y = rng.permutation(np.arange(SHOTS) % C)
    F = rng.standard_normal((SHOTS, D))
    F[:, rng.choice(64, SIGNALS, replace=False)] += centres[y]
    mean = rng.standard_normal(D) * rng.uniform(0, 1) * deviation.mean()
    support = Support.of((F * deviation + mean) * np.exp(rng.uniform(-2, 2)), y, is_class=True)
    many = np.arange(3000) % C
    rows = centres[many] + rng.standard_normal((3000, SIGNALS))
    nearest = (rows @ centres.T - (centres**2).sum(1) / 2).argmax(1)
    return support, float((nearest == many).mean())


def rank_correlation(a, b):
    ranks = [rank_average({str(i): {"p": v} for i, v in enumerate(x)}) for x in (a, b)]
    return float(np.corrcoef(*[list(r.values()) for r in ranks])[0, 1])


@pytest.fixture(scope="module")
def found():
    """Mean rank correlation over POOLS pools, by probe, for 2, 4 and 10 classes."""
    by_probe = {}
    for C in (2, 4, 10):
        pools = []
        for seed in range(POOLS):
            rng = np.random.default_rng([seed, C])
            qualities = rng.permutation(np.linspace(0.05, 0.7, 12))
            pool = [model(rng, D=DIMENSIONS[m % 3], quality=qualities[m], C=C) for m in range(12)]
            truth = [accuracy for _, accuracy in pool]
            scores = {
                name: [probe(support) for support, _ in pool]
                for name, probe in (PROBES | UNCORRECTED).items()
            }
            scores["together"] = list(
                rank_average(
                    {str(m): {p: scores[p][m] for p in PROBES} for m in range(12)}
                ).values()
            )
            pools.append({name: rank_correlation(s, truth) for name, s in scores.items()})
        for name in pools[0]:
            by_probe.setdefault(name, []).append(np.mean([pool[name] for pool in pools]))
    return by_probe


def test_corrected_evidence_ranks_models_and_uncorrected_does_not(found):
    """Standard error of a mean over 24 pools: about .03 and .06."""
    assert np.mean(found["logme"]) >= 0.6
    assert np.mean(found["logme uncorrected"]) < 0.3
    assert all(np.subtract(found["logme"], found["logme uncorrected"]) > 0.3)


def test_h_score_less_chance_ranks_models_and_the_published_one_does_not(found):
    assert np.mean(found["h_score"]) >= 0.6
    assert np.mean(found["h_score"]) > np.mean(found["h_score uncorrected"]) + 0.3


@pytest.mark.parametrize(
    ("probe", "least"), [("ncm", 0.5), ("ridge_loo", 0.6), ("knn_loo", 0.5), ("together", 0.6)]
)
def test_other_probes_rank_models(found, probe, least):
    assert np.mean(found[probe]) >= least
