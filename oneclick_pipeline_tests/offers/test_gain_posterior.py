"""The variance of a plan's gain against draws from the posterior itself."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.campaigns.effect_posterior import Believed, Learned
from oneclick_pipeline.offers.decision import CASES, Decision
from oneclick_pipeline.offers.gain_posterior import GainPosterior, variance
from oneclick_pipeline.offers.gain_sample import Sample

GIVEN, HELD = CASES.index(("offer", "plan", "offered")), CASES.index(("control", "plan", "control"))


def definite(rng, size, scale):
    """A covariance whose vectors move together."""
    root = rng.normal(0, scale / size**0.5, (size, size)) + scale / 2
    return root @ root.T


def test_variance_is_that_of_draws():
    rng = np.random.default_rng(1)
    both, of_theta, of_beta = rng.normal(size=(6, 3)), definite(rng, 6, 0.7), definite(rng, 3, 0.4)
    theta, beta = rng.normal(1, 1, 6), rng.normal(1, 1, 3)
    gains = np.einsum(
        "ni,ij,nj->n",
        rng.multivariate_normal(theta, of_theta, 200_000),
        both,
        rng.multivariate_normal(beta, of_beta, 200_000),
        optimize=True,
    )
    assert variance(both @ beta, both.T @ theta, both, of_theta, of_beta) == pytest.approx(gains.var(), rel=0.02)


class Store:
    """Customers who may get one of three offers, with a posterior of the effects on them and of their worth."""

    def __init__(self, seed, customers=400, learner=None):
        rng = np.random.default_rng(seed)
        self.rng, self.n, k, m = rng, customers, 2, 3
        self.ramps = rng.uniform(-0.5, 0.5, (customers, k))
        self.seen = rng.normal(0, 0.02, (customers, m))
        own = np.full((m, k + 1), -0.01)
        own[:, 0] = -0.06, -0.05, -0.1
        self.theta = np.concatenate([rng.normal(0, 0.02, k), own.ravel(), [0.5] * bool(learner)])
        covariance = definite(rng, k + own.size, 0.02)
        response = SimpleNamespace(inputs=lambda _: self.design, covariance=covariance)
        learner = learner and SimpleNamespace(
            slope=SimpleNamespace(variance=0.09), differences=lambda _: self.seen, offers=("a", "b", "c")
        )
        self.effects = Learned(response, learner)
        self.beta, self.of_beta = np.array([1.0, 0.5, -0.2]), definite(rng, 3, 0.3)
        self.p = rng.uniform(0.3, 0.9, customers)
        self.basis = rng.gamma(3, 1, customers)[:, None] * np.column_stack([np.ones(customers), self.p, self.p**2])
        self.offer = rng.integers(-1, m, customers)
        self.case = np.where(
            self.offer < 0, CASES.index(("none", "plan", "not_worth")), np.where(rng.random(customers) < 0.8, GIVEN, HELD)
        )

    @property
    def design(self):
        return np.column_stack([np.ones(self.n), self.ramps])

    def effect(self, theta):
        """Effect of each one's offer with some coefficients."""
        k, offer = self.ramps.shape[1], np.maximum(self.offer, 0)
        own = theta[k : k + 3 * (k + 1)].reshape(3, k + 1)[offer]
        own = own + np.concatenate([[0.0], theta[:k]])
        beyond = self.seen[np.arange(self.n), offer] * theta[-1] if self.effects.learner else 0.0
        return (self.design * own).sum(axis=1) + beyond

    def sd(self, sample=None, theta=None, beta=None):
        """What the posterior says."""
        theta, beta = self.theta if theta is None else theta, self.beta if beta is None else beta
        rows = np.arange(self.n) if sample is None else np.sort(sample)
        inputs = self.effects.inputs(pd.DataFrame())[rows]
        value = np.maximum(self.basis @ beta, 0)
        candidates = SimpleNamespace(rows=np.arange(self.n), sample=Sample(rows, inputs, self.basis[rows]))
        effect = np.where(self.offer >= 0, self.effect(theta), np.nan)
        decision = Decision(self.case.astype(np.int8), self.offer, self.offer, self.offer, effect, effect)
        posterior = GainPosterior(self.effects, [0, 1, 2], self.of_beta)
        return posterior.sd(SimpleNamespace(p=self.p, value=value), candidates, decision)

    def gains(self, draws):
        """Gains of those given, cost apart, drawn from the posterior."""
        given = (self.case == GIVEN) & (self.offer >= 0)
        thetas = self.rng.multivariate_normal(self.theta, self.effects.covariance, draws)
        betas = self.rng.multivariate_normal(self.beta, self.of_beta, draws)
        worths = betas @ self.basis[given].T
        return np.array([-self.effect(theta)[given] @ worth for theta, worth in zip(thetas, worths, strict=True)])


@pytest.mark.parametrize("learner", [None, True])
def test_sd_is_that_of_draws(learner):
    store = Store(2, learner=learner)
    assert store.sd() == pytest.approx(store.gains(20_000).std(), rel=0.03)


def test_a_sample_is_nearly_as_good_as_all():
    store = Store(3, customers=6000)
    assert store.sd(store.rng.permutation(6000)[:1500]) == pytest.approx(store.sd(), rel=0.05)


def test_an_offer_that_nobody_in_the_sample_gets_is_not_forgotten():
    store = Store(4, customers=3000)
    without = np.flatnonzero(store.offer != 2)
    assert store.sd(without) == pytest.approx(store.sd(), rel=0.1)


def test_what_cannot_move_is_certain():
    """An effect that takes all there is to lose does not move with the effect, a worth of 0 not with the worth."""
    store = Store(5)
    store.of_beta = np.zeros((3, 3))
    far = store.theta.copy()
    far[[2, 5, 8]] = -5.0
    assert store.sd(theta=far) == 0
    store.of_beta = np.eye(3)
    assert store.sd(theta=far) > 0
    assert store.sd(beta=np.array([-9.0, 0, 0])) == 0


def test_offers_of_one_catalogue_are_wrong_together():
    one, three = Believed.of(1).covariance, Believed.of(3).covariance
    assert one == np.ones((1, 1))
    assert (np.diag(three) == 1).all()
    assert 0 < three[0, 1] < 0.3


def test_nobody_is_certain():
    decision = Decision(*(np.zeros(0, dtype=int),) * 4, np.zeros(0), np.zeros(0))
    nobody = SimpleNamespace(
        rows=np.zeros(0, dtype=int), sample=Sample(np.zeros(0, dtype=int), np.zeros((0, 1)), np.zeros((0, 3)))
    )
    everybody = SimpleNamespace(p=np.zeros(0), value=np.zeros(0))
    assert GainPosterior(Believed.of(1), [0], np.eye(3)).sd(everybody, nobody, decision) == 0
