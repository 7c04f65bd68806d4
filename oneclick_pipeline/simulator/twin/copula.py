"""The Gaussian copula: correlations behind discrete values, and the density they give."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import eval_hermitenorm, gamma, ndtri

if TYPE_CHECKING:
    from oneclick_pipeline.simulator.twin.column import ColumnProfile, Floats

_ORDER = 30
_NIL = 1e-9
_SMALLEST_EIGENVALUE = 0.02
_GRID = np.linspace(-0.97, 0.97, 389)


@dataclass(frozen=True)
class Copula:
    """A Gaussian copula.

    Attributes:
        correlation: Positive definite correlation matrix, one row per column.
    """

    correlation: tuple[tuple[float, ...], ...]

    @cached_property
    def root(self) -> Floats:
        """Lower Cholesky factor; its leading block is the factor of the leading columns."""
        return np.linalg.cholesky(np.asarray(self.correlation))

    def log_density(self, scores: Floats) -> Floats:
        """Log density at normal scores, shape (rows, k), of the copula of the first k columns; shape (rows,)."""
        root = self.root[: scores.shape[1], : scores.shape[1]]
        white = scores @ np.linalg.inv(root).T
        squares = np.einsum("ij,ij->i", scores, scores) - np.einsum("ij,ij->i", white, white)
        density: Floats = 0.5 * squares - np.log(np.diag(root)).sum()
        return density


def hermite_coefficients(column: ColumnProfile, label: int) -> tuple[Floats, float]:
    """Hermite coefficients (order 1 to 30) and variance of the step function from latent normal to mid-cell score.

    The function maps z in a cell to the normal score of the cell's middle. Its coefficient of order k is
    E[h(Z) He_k(Z)] / sqrt(k!), and the integral of He_k times the normal density is -He_(k-1) times the density.
    """
    edges = column.edges[label]
    middle = ndtri((edges[1:] + edges[:-1]) / 2)
    bounds = np.clip(ndtri(edges), -8.5, 8.5)  # the density is nil at the infinite ends, the polynomial must not be infinite
    density = np.exp(-(bounds**2) / 2) / np.sqrt(2 * np.pi)
    order = np.arange(1, _ORDER + 1)
    terms = eval_hermitenorm(order[:, None] - 1, bounds) * density / np.sqrt(gamma(order + 1.0))[:, None]
    coefficients: Floats = -(np.diff(terms) @ middle)
    share = column.shares[label]
    variance = float((share * middle**2).sum() - (share * middle).sum() ** 2)
    return coefficients, variance


def latent_correlation(observed: Floats, columns: tuple[ColumnProfile, ...], label: int) -> Floats:
    """The latent correlations whose mid-cell scores correlate as observed.

    A step function loses correlation: two binary columns show about half of the correlation behind them. With
    Hermite coefficients a and b of two columns, a latent correlation r shows as sum(a_k b_k r^k) / sqrt(var a var b)
    (Mehler's formula), which grows with r and is inverted on a grid.

    Args:
        observed: Correlation matrix of mid-cell scores, shape (columns, columns).
        columns: The columns' marginals.
        label: Class, 1 declined.
    """
    parts = [hermite_coefficients(column, label) for column in columns]
    varies = [variance > _NIL for _, variance in parts]
    scaled = np.array([a / np.sqrt(variance) if variance > _NIL else a for a, variance in parts])
    powers = _GRID[:, None] ** np.arange(1, _ORDER + 1)
    latent = np.eye(len(columns))
    for i in range(len(columns)):
        for j in range(i):
            if not (varies[i] and varies[j]):
                continue  # a constant depends on nothing
            shown = powers @ (scaled[i] * scaled[j])
            latent[i, j] = latent[j, i] = np.interp(observed[i, j], np.maximum.accumulate(shown), _GRID)
    return latent


def nearest_correlation(matrix: Floats) -> Floats:
    """A positive definite correlation matrix near `matrix`: small eigenvalues are raised, the diagonal is set back to 1.

    >>> nearest_correlation(np.array([[1.0, 0.5], [0.5, 1.0]])).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    values, vectors = np.linalg.eigh(matrix)
    if values.min() >= _SMALLEST_EIGENVALUE:
        return matrix
    raised = (vectors * np.maximum(values, _SMALLEST_EIGENVALUE)) @ vectors.T
    scale = np.sqrt(np.diag(raised))
    result: Floats = raised / np.outer(scale, scale)
    np.fill_diagonal(result, 1.0)
    return result
