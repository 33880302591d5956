from pathlib import Path

from training.models.history import HISTORY, read_history


def test_a_history_is_read_by_epoch(tmp_path: Path) -> None:
    path = tmp_path / HISTORY
    assert read_history(path) == []
    path.write_text("epoch,val_loss\n0,1.5\n1,0.25\n")
    assert read_history(path) == [{"epoch": 0.0, "val_loss": 1.5}, {"epoch": 1.0, "val_loss": 0.25}]
