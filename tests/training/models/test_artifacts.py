from pathlib import Path

import numpy as np
import pytest

from akshar.model.bundle import Bundle, load_bundle
from akshar.model.manifest import read_manifest, version_of, write_manifest
from training.models.artifacts import family_files, file_entries, write_family, write_whitening


@pytest.mark.parametrize("digest_in_name", [False, True])
def test_what_is_written_can_be_loaded(bundle: Bundle, tmp_path: Path, digest_in_name: bool) -> None:
    for file in ("extractor.keras", "extractor.onnx"):
        (tmp_path / file).write_bytes((bundle.folder / file).read_bytes())
    write_whitening(tmp_path, bundle.model.whitening.astype(np.float64))
    families = {
        name: write_family(tmp_path, name, family, bundle.manifest.families[name].svc, digest_in_name)
        for name, family in bundle.model.families.items()
    }
    names = ["extractor.keras", "extractor.onnx", "whitening.joblib", *family_files(families.values())]
    files = file_entries(tmp_path, names)
    version = version_of("1.2.3", files)
    update = {"files": files, "families": families, "model_version": version}
    write_manifest(bundle.manifest.model_copy(update=update), tmp_path)
    loaded = load_bundle(tmp_path)
    assert loaded.model.version == read_manifest(tmp_path).model_version == version
    np.testing.assert_array_equal(loaded.model.whitening, bundle.model.whitening)
    for name, entry in families.items():
        assert (entry.head == f"heads/{name}.joblib") != digest_in_name
        written, original = loaded.model.families[name], bundle.model.families[name]
        assert written.calibration == original.calibration
        np.testing.assert_array_equal(written.svc.dual_coef_, original.svc.dual_coef_)
