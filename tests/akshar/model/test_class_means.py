import numpy as np
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize

from akshar.model.class_means import ClassMeans


def test_similarity_is_cosine_and_mahalanobis_distance() -> None:
    rng = np.random.default_rng(0)
    features = {"numerals": rng.random((40, 8)), "marks": rng.random((30, 8))}
    labels = {"numerals": np.arange(40) % 4, "marks": np.arange(30) % 3}
    fitted = {name: NearestCentroid().fit(normalize(features[name]), labels[name]) for name in features}
    whitening = rng.random((8, 8))
    means = ClassMeans(fitted, whitening, ["numerals"])
    queries = rng.random((5, 8)).astype(np.float32)
    similarity = means.compare(queries)
    assert similarity.cosines.shape == (5, 7)
    mean = normalize(features["marks"])[labels["marks"] == 1].mean(axis=0)
    expected = queries @ mean / np.linalg.norm(queries, axis=1) / np.linalg.norm(mean)
    np.testing.assert_allclose(similarity.cosines[:, means.columns["marks"]][:, 1], expected, rtol=1e-5)
    centroids = np.concatenate([of.centroids_ for of in fitted.values()])
    expected = cdist(normalize(queries), centroids, "mahalanobis", VI=whitening @ whitening.T)
    np.testing.assert_allclose(similarity.distances, expected, rtol=1e-3)
    # Only a family in the network can be a lookalike, and never of itself.
    np.testing.assert_array_equal(means.other_families["numerals"], np.zeros(7, bool))
    np.testing.assert_array_equal(means.other_families["marks"], [True] * 4 + [False] * 3)
