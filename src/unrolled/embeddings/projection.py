"""From many dimensions to two, to be looked at."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from unrolled.errors import UserError


def pca(vectors: Float[np.ndarray, "words size"]) -> tuple[Float[np.ndarray, "words 2"], tuple[float, float]]:
    """The two directions of largest variance, and the share of the variance each has (0 to 1).

    Each direction is turned so that its largest entry is positive: the same vectors give the same picture.
    """
    centred = vectors - vectors.mean(0, dtype=np.float64)
    _, lengths, directions = np.linalg.svd(centred, full_matrices=False)
    axes = np.zeros((2, vectors.shape[1]))
    axes[: len(directions)] = directions[:2]
    axes *= np.sign(axes[np.arange(2), np.abs(axes).argmax(1)])[:, None]
    squares = np.zeros(2)
    squares[: len(lengths)] = lengths[:2] ** 2
    first, second = (squares / max(float((lengths**2).sum()), 1e-30)).tolist()
    return centred @ axes.T, (first, second)


def t_sne(
    vectors: Float[np.ndarray, "words size"], *, perplexity: float = 30.0, seed: int = 1
) -> NDArray[np.float64]:
    """Places (words, 2) that keep near ones near (van der Maaten & Hinton 2008).

    How large a group is, and how far it is from another, means nothing.

    Raises:
        UserError: scikit-learn is not installed, or there are too few words.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise UserError("t-SNE needs an extra: pip install 'unrolled[t-sne]'") from None
    if len(vectors) < 4:
        raise UserError(f"t-SNE of {len(vectors)} words: four at least are wanted")
    perplexity = min(perplexity, (len(vectors) - 1) / 3)
    places = TSNE(perplexity=perplexity, init="pca", random_state=seed % 2**32).fit_transform(vectors)
    return np.asarray(places, dtype=np.float64)
