import numpy as np

from training.data.dataset import Dataset
from training.data.label_errors import LabelError
from training.evaluation.label_errors import find_label_errors


def test_a_wrong_label_is_found_and_the_right_one_suggested() -> None:
    rng = np.random.default_rng(1)
    truth = np.repeat([3, 7, 9], 30)
    centres = {class_id: rng.normal(size=8) for class_id in (3, 7, 9)}
    features = np.stack([centres[class_id] for class_id in truth]) + rng.normal(0, 0.05, (90, 8))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    given = truth.copy()
    given[[4, 70]] = 9, 3
    names = np.array([f"consonants/{class_id}/{row}.png" for row, class_id in enumerate(given)])
    images = Dataset(
        np.zeros((90, 32, 32), np.float32), np.full(90, "consonants"), given, np.full(90, ""), names, names
    )
    found = find_label_errors("dhcd", images, features.astype(np.float32))
    assert sorted(found) == [
        LabelError("dhcd", "consonants/3/70.png", 3, 9, "dropped"),
        LabelError("dhcd", "consonants/9/4.png", 9, 3, "dropped"),
    ]
