from __future__ import annotations

import numpy as np
import pytest

from unrolled.embeddings import pca, t_sne
from unrolled.errors import UserError


@pytest.mark.parametrize("seed", [1, 2])
def test_principal_components_are_those_of_the_covariance(seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(50, 6)) * [5, 1, 3, 1, 1, 1] + 7
    places, shares = pca(vectors)
    values, directions = np.linalg.eigh(np.cov(vectors.T))
    np.testing.assert_allclose(shares, values[::-1][:2] / values.sum())
    expected = (vectors - vectors.mean(0)) @ directions[:, ::-1][:, :2]
    np.testing.assert_allclose(np.abs(places), np.abs(expected), atol=1e-9)
    assert np.array_equal(pca(vectors)[0], places)


def test_few_words_have_places_too() -> None:
    assert pca(np.ones((1, 3)))[0].tolist() == [[0, 0]]
    assert pca(np.array([[1.0], [2.0]]))[0].shape == (2, 2)


def test_t_sne_keeps_groups_together() -> None:
    pytest.importorskip("sklearn", reason="t-SNE needs the extra `t-sne`")
    random = np.random.default_rng(1)
    groups = np.repeat([0, 1], 15)
    vectors = random.normal(size=(30, 10)) + 20 * groups[:, None]
    places = t_sne(vectors.astype(np.float32))
    centres = [places[groups == group].mean(0) for group in (0, 1)]
    nearest = np.linalg.norm(places[:, None] - np.array(centres), axis=2).argmin(1)
    assert np.array_equal(nearest, groups)
    assert np.array_equal(t_sne(vectors.astype(np.float32)), places), "the same seed, the same picture"
    with pytest.raises(UserError, match="four at least"):
        t_sne(vectors[:3])
