import subprocess
from pathlib import Path

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def test_an_export_with_other_features_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.models import export
    from training.models.network import build, freeze
    from training.recipe import Recipe

    extractor = freeze(build(Recipe(channels=(4, 6, 8))))
    glyphs = np.random.default_rng(0).uniform(size=(8, 32, 32)).astype(np.float32)
    export.export_extractor(extractor, tmp_path, glyphs)
    assert (tmp_path / "extractor.onnx").stat().st_size > 1000

    # The files are there: only the comparison is repeated.
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 0))
    exact = export.keras_features
    monkeypatch.setattr(export, "keras_features", lambda *arguments: exact(*arguments) + 1e-4)
    with pytest.raises(export.ExportError, match="differs"):
        export.export_extractor(extractor, tmp_path, glyphs)


def test_a_failed_conversion_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.models import export
    from training.models.network import build, freeze
    from training.recipe import Recipe

    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(export.ExportError, match="was not converted"):
        export.export_extractor(freeze(build(Recipe(channels=(4, 6, 8)))), tmp_path, np.zeros((1, 32, 32), np.float32))
