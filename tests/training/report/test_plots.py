import xml.etree.ElementTree as ET

import pytest

from training.evaluation.runs import Run
from training.report import plots


def test_a_plot_is_the_same_every_time(all_runs: list[Run]) -> None:
    text = plots.svg(plots.published_and_ours(all_runs))
    assert text == plots.svg(plots.published_and_ours(all_runs))
    assert not any(line.endswith(" ") for line in text.splitlines())


@pytest.mark.parametrize("name", plots.COMMITTED)
def test_a_committed_plot_is_drawn_from_all_runs_or_few(name: str, all_runs: list[Run], shipped: Run) -> None:
    for chosen in (all_runs, [shipped]):
        assert ET.fromstring(plots.svg(plots.COMMITTED[name](chosen))).tag.endswith("svg")
