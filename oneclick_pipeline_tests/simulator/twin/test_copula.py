import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import multivariate_normal, norm

from oneclick_pipeline.simulator.twin.column import ColumnProfile
from oneclick_pipeline.simulator.twin.copula import Copula, hermite_coefficients, latent_correlation, nearest_correlation

BINARY = ColumnProfile("a", 1, (), (0, 1), (1, 1), (0.5, 0.5), (0.7, 0.3))
FIVE = ColumnProfile("b", 1, (), (0, 1, 2, 3, 4), (1,) * 5, (0.2,) * 5, (0.1, 0.2, 0.4, 0.2, 0.1))


def test_log_density_is_joint_over_product_of_normals():
    matrix = ((1.0, 0.6, 0.1), (0.6, 1.0, -0.3), (0.1, -0.3, 1.0))
    points = np.array([[0.3, -1.0, 2.0], [0.0, 0.0, 0.0]])
    expected = multivariate_normal(cov=matrix).logpdf(points) - norm.logpdf(points).sum(axis=1)
    assert Copula(matrix).log_density(points) == pytest.approx(expected)
    leading = multivariate_normal(cov=np.array(matrix)[:2, :2]).logpdf(points[:, :2]) - norm.logpdf(points[:, :2]).sum(axis=1)
    assert Copula(matrix).log_density(points[:, :2]) == pytest.approx(leading)


def test_hermite_coefficient_of_a_median_split_is_known():
    # h is -m below 0 and m above: E[h(Z) Z] = m E|Z| = m sqrt(2 / pi)
    coefficients, variance = hermite_coefficients(BINARY, 1)
    m = ndtri(0.75)
    assert coefficients[0] == pytest.approx(m * np.sqrt(2 / np.pi))
    assert variance == pytest.approx(m**2)


@pytest.mark.parametrize("rho", [-0.7, 0.0, 0.4, 0.9])
def test_latent_correlation_undoes_the_loss_by_steps(rho):
    rng = np.random.default_rng(0)
    latent = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=200_000)
    uniform = norm.cdf(latent)
    scores = [ndtri(c.quantile(c.draw(uniform[:, k], 1), 1)) for k, c in enumerate((BINARY, FIVE))]
    observed = np.corrcoef(scores)
    found = latent_correlation(observed, (BINARY, FIVE), 1)[0, 1]
    assert abs(observed[0, 1]) <= 0.9 * abs(rho) + 0.01  # there is a loss to undo
    assert found == pytest.approx(rho, abs=0.015)  # five standard errors of a correlation of 200,000


def test_nearest_correlation_mends_an_impossible_matrix():
    impossible = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    mended = nearest_correlation(impossible)
    assert np.linalg.eigvalsh(mended).min() > 0
    assert np.diag(mended).tolist() == [1, 1, 1]
    assert (np.sign(mended) == np.sign(impossible)).all()
