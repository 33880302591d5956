"""The walk of an upload lists every change of file."""

from collections import Counter

import pytest

from app import logs
from benchmarks.images import IMAGES
from benchmarks.upload_walk import Entry, report, walk_reader, walk_service
from tests.drawing import draw, encode


def test_walk_of_the_reader() -> None:
    entries = walk_reader(IMAGES[0])
    assert [entry.function for entry in entries if entry.file == "akshar/model/recognizer.py"] == [
        "Recognizer.recognize"
    ]
    assert all(entry.caller != entry.file for entry in entries)
    # Every caller has been entered before.
    entered = {"akshar/reader.py"}
    for entry in entries:
        assert entry.caller in entered
        entered.add(entry.file)


def test_report_counts_files() -> None:
    entries = [Entry("a.py", "b.py", "f"), Entry("b.py", "c.py", "g"), Entry("a.py", "b.py", "h")]
    assert list(report(entries)) == [
        "b.py  f  (from a.py)",
        "c.py  g  (from b.py)",
        "b.py  h  (from a.py)",
        "2 files, 1 entered more than once: b.py (2)",
    ]
    assert list(report(entries[:2]))[-1] == "2 files, 0 entered more than once"


AGAIN = {
    "app/serving/admission.py": "The budgets are held for the request, and then for each part of its body.",
    "akshar/imaging/opening.py": "A file is looked at, and opened if that shows nothing against it.",
    "akshar/imaging/look.py": "The look collects what each block of the file declares.",
    "akshar/imaging/grayscale.py": "Levels are counted where they are told apart.",
    "akshar/imaging/threshold.py": "Strength is made once ink and paper are told apart.",
    "akshar/imaging/lines.py": "A form's lines are sought at the edge, then around what crosses them.",
}
"""The files that are entered more than once, and why."""


@pytest.mark.parametrize("size", [32, 64])
def test_an_upload_enters_a_file_again_only_for_a_reason(size: int) -> None:
    logs.configure("warning", "json")  # Lines of the log are no part of the walk.
    counts = Counter(entry.file for entry in walk_service(encode(draw("pa", size))))
    logs.configure("info", "json")
    assert {"app/api/predict.py", "akshar/imaging/reader.py", "akshar/model/recognizer.py"} <= set(counts)
    assert ("akshar/imaging/threshold.py" in counts) == (size == 32)  # Others are read in a decoder process.
    assert {file for file, count in counts.items() if count > 1} <= set(AGAIN)
