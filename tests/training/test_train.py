import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from akshar.model.bundle import load_bundle
from training.__main__ import main


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_whole_training_on_a_real_slice(slice_of_nhcd: Path, tmp_path: Path) -> None:
    """From data to artifacts, as `make train` runs it; then the artifacts are loaded and scored."""
    out, work = tmp_path / "artifacts", tmp_path / "work"
    options = ["--recipe", "first", "--epochs", "1", "--data", str(slice_of_nhcd), "--fonts", str(tmp_path / "none")]
    options += ["--out", str(out), "--work", str(work)]
    trained = CliRunner().invoke(main, ["train", *options])
    assert trained.exit_code == 0, trained.output
    manifest = load_bundle(out).manifest
    assert manifest.features == 512
    assert sorted(manifest.files) == [
        "class_means/consonants.joblib",
        "class_means/numerals.joblib",
        "class_means/vowels.joblib",
        "extractor.keras",
        "extractor.onnx",
        "heads/consonants.joblib",
        "heads/numerals.joblib",
        "heads/vowels.joblib",
        "whitening.joblib",
    ]
    families = [entry.family for entry in manifest.self_test]
    assert families == ["numerals", "numerals", "vowels", "consonants", "consonants"]
    for entry in manifest.families.values():
        assert len(entry.calibration.nonconformity) == len(entry.calibration.distances) > 0
        assert entry.in_network
        assert {"C", "gamma", "support_vectors", "validation_accuracy"} <= set(entry.svc)
    assert manifest.data.images == 58 * 12
    assert manifest.split.sizes["test"] == sum(score.n for score in manifest.scores["published"].values()) == 105
    assert {"keras", "scikit-learn", "numpy", "python"} <= set(manifest.versions)
    assert manifest.recipe["epochs"] == 1
    assert not list(work.iterdir())

    run = CliRunner().invoke(main, ["evaluate", "--data", str(slice_of_nhcd), "--artifacts", str(out), "--json"])
    published = json.loads(run.stdout)["published"]
    assert list(published) == [*manifest.scores["published"], "joint"]
    for family, score in manifest.scores["published"].items():
        assert score.model_dump().items() <= published[family].items()
