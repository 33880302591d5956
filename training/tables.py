"""Tables of runs, for the report, the README, the model card and ``docs/results/README.md``. Nothing is retyped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from app.catalogue import CATALOGUE, JOINT_CLASSES
from training import reliability, scoring
from training.recipe import RECIPES
from training.runs import COVERAGES, Run

FAMILIES: Final = tuple(CATALOGUE)
CHARACTERS: Final = {(family, c.class_id): c.character for family, classes in CATALOGUE.items() for c in classes}

SERVE_PROTOCOLS: Final = ("first", "quick", "full")
SHIPPED: Final = ("published", "1", "full")
"""Protocol, part and method of the run that is the shipped models'."""

THEIRS: Final[dict[str, tuple[float, float, float]]] = {
    "pca-svc": (96.9, 87.9, 75.0),
    "cnn-per-family": (97.9, 93.5, 85.9),
    "published-network": (99.7, 99.5, 94.9),
}
"""Accuracies by P. Foret's articles (2017), in percent, numerals, vowels, consonants."""
HCR_NET: Final = (99.79, 98.26, 93.56)
"""HCR-Net (2021), mean of five runs, in percent."""

READERS: Final = {
    "tesseract": "Tesseract 5, Devanagari, single character",
    "pca-svc": "PCA, 24 axes, and SVC",
    "cnn-per-family": "a CNN per family, from scratch (first recipe)",
    "published-network softmax": "the published network, softmax masked to the family",
    "published-network": "the published network, popped and frozen, SVC",
    "first softmax": "Akshar's first recipe, softmax masked to the family",
    "first": "Akshar's first recipe, SVC",
    "quick softmax": "Akshar's quick recipe, softmax masked to the family",
    "quick": "Akshar's quick recipe, SVC",
    "full": "**Akshar as it ships**",
}
"""The rows of theirs and ours, in their order."""


@dataclass(frozen=True)
class Table:
    """A table of text cells."""

    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def markdown(self) -> str:
        """As GitHub's Markdown."""
        lines = [self.header, ("---",) * len(self.header), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def percent(accuracy: float) -> str:
    """0.9748 as ``97.48``."""
    return f"{100 * accuracy:.2f}"


def of_counts(score: dict[str, Any]) -> str:
    """A score as accuracy, counts and 95 % interval."""
    low, high = score["interval"]
    return f"{percent(score['accuracy'])} ({score['correct']:,} of {score['n']:,}; {percent(low)} to {percent(high)})"


def on_the_published_split(runs: Sequence[Run]) -> dict[str, dict[str, dict[str, Any]]]:
    """Scores by family of every reader of `READERS` that has a run, all on the same images: the split of seed 1."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for run in runs:
        if (run.protocol, run.part) == ("published", "1") and run.method in READERS:
            found[run.method] = run.scores
            if f"{run.method} softmax" in READERS:
                found[f"{run.method} softmax"] = softmax_scores(run)
    return {reader: found[reader] for reader in READERS if reader in found}


def softmax_scores(run: Run) -> dict[str, dict[str, Any]]:
    """What the network's own last layer says, masked to each family."""
    return {
        family: scoring.score(a.truth[a.kept], scoring.masked_softmax(a.logits, family, a.class_ids))
        for family, a in run.answers.items()
    }


def theirs_and_ours(runs: Sequence[Run]) -> Table:
    """Every reader on the same test images, beside what the articles say of theirs."""
    rows = []
    for reader, scores in on_the_published_split(runs).items():
        theirs = THEIRS.get(reader)
        for_theirs = tuple(f"{value:.1f}" for value in theirs) if theirs else ("", "", "")
        rows.append((READERS[reader], *(of_counts(scores[family]) for family in FAMILIES), *for_theirs))
    return Table(("reader", *FAMILIES, *(f"theirs: {family}" for family in FAMILIES)), rows)


def readers(runs: Sequence[Run]) -> Table:
    """`theirs_and_ours` without counts and intervals."""
    rows = []
    for reader, scores in on_the_published_split(runs).items():
        theirs = " / ".join(f"{value:.1f}" for value in THEIRS.get(reader, ()))
        rows.append((READERS[reader], *(percent(scores[family]["accuracy"]) for family in FAMILIES), theirs))
    return Table(("reader", *FAMILIES, "theirs, on their images"), rows)


def short_protocols(runs: Sequence[Run]) -> Table:
    """`protocols` without counts and intervals, of the recipes that many trainings are for."""
    rows = []
    for (protocol, recipe), members in groups(runs).items():
        if recipe in SERVE_PROTOCOLS:
            summary = scoring.summary([run.scores for run in members])
            cells = (percent(summary[f]["accuracy"]) if f in summary else "" for f in (*FAMILIES, "joint"))
            rows.append((f"`{protocol}`", recipe, *cells))
    return Table(("protocol", "recipe", *FAMILIES, "joint"), rows)


def groups(runs: Sequence[Run]) -> dict[tuple[str, str], list[Run]]:
    """Runs of the recipes by protocol and method, each direction of ``cross`` alone."""
    found: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        if run.method in RECIPES:
            name = f"cross {run.part}" if run.protocol == "cross" else run.protocol
            found[name, run.method].append(run)
    names = tuple(RECIPES)
    order = ("published", "hcr-net", "writers", "cross nhcd-dhcd", "cross dhcd-nhcd", "dhcd")
    return {key: found[key] for key in sorted(found, key=lambda key: (order.index(key[0]), names.index(key[1])))}


def protocols(runs: Sequence[Run]) -> Table:
    """Each protocol's accuracy by family and over all 58 classes: mean, range over the parts, pooled interval."""
    rows = []
    for (protocol, method), members in groups(runs).items():
        summary = scoring.summary([run.scores for run in members])
        parts = ", ".join(run.part for run in members) if protocol in ("published", "writers") else ""
        for family in (*FAMILIES, "joint"):
            if (score := summary.get(family)) is None:
                continue
            low, high = score["range"]
            rows.append(
                (
                    protocol,
                    method,
                    parts,
                    family,
                    percent(score["accuracy"]),
                    f"{percent(low)} to {percent(high)}" if len(members) > 1 else "",
                    f"{score['correct']:,} of {score['n']:,}",
                    " to ".join(map(percent, score["interval"])),
                    percent(score["macro_f1"]),
                )
            )
    header = ("protocol", "recipe", "parts", "family", "accuracy", "range", "right", "95 % interval", "macro-F1")
    return Table(header, rows)


def pooled(members: Sequence[Run]) -> dict[str, tuple[scoring.Ints, scoring.Ints]]:
    """Truth and answer by family over several runs."""
    families = [family for family in FAMILIES if any(family in run.answers for run in members)]
    return {
        family: (
            np.concatenate([run.answers[family].truth for run in members if family in run.answers]),
            np.concatenate([run.answers[family].answer for run in members if family in run.answers]),
        )
        for family in families
    }


def errors(runs: Sequence[Run]) -> Table:
    """Each protocol's worst classes and commonest confusions."""
    rows = []
    for (protocol, method), members in groups(runs).items():
        for family, (truth, answer) in pooled(members).items():
            worst = ", ".join(
                f"{CHARACTERS[family, c]} {percent(right / of)}"
                for c, right, of in scoring.worst_classes(truth, answer)
            )
            pairs = ", ".join(
                f"{CHARACTERS[family, t]} as {CHARACTERS[family, a]} {times}x"
                for t, a, times in scoring.confusions(truth, answer, most=6)
            )
            rows.append((protocol, method, family, worst or "none", pairs or "none"))
    return Table(("protocol", "recipe", "family", "worst classes, % right", "commonest confusions"), rows)


def fewshot(runs: Sequence[Run]) -> Table:
    """The vowels learnt from few images: mean and range over the draws."""
    rows = []
    for images, draws in few_images(runs).items():
        cells = []
        for method in ("svc", "softmax"):
            shares = [draw[method] / draw["n"] for draw in draws]
            cells.append(f"{percent(float(np.mean(shares)))} ({percent(min(shares))} to {percent(max(shares))})")
        rows.append((str(images), *cells))
    return Table(("images of each vowel", "SVC on frozen features", "retrained softmax layer"), rows)


def few_images(runs: Sequence[Run]) -> dict[int, list[dict[str, Any]]]:
    """The rows of the run without vowels, by number of images."""
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        for row in run.details.get("curve", []):
            found[row["images"]].append(row)
    return dict(found)


def degraded(run: Run) -> Table:
    """Accuracy over all families of each kind of degradation at its three strengths, beside the images as they are."""
    scores = [run.scores[family] for family in FAMILIES]
    clean = sum(score["correct"] for score in scores) / sum(score["n"] for score in scores)
    lines: dict[str, list[str]] = {"as they are": ["", *3 * [percent(clean)]]}
    for row in run.details["degraded"]:
        lines.setdefault(row["kind"], [row["what"]]).append(percent(row["right"] / row["n"]))
    return Table(("kind", "what it stands for", "mild", "medium", "strong"), [(k, *v) for k, v in lines.items()])


def confidence(runs: Sequence[Run]) -> Table:
    """How far confidences, sets and the notice of another family can be relied on, over all families, by protocol."""
    rows = []
    for (protocol, method), members in groups(runs).items():
        found = judged(members)
        if found is None:
            continue
        held, likely = found.held.mean(axis=0), found.likely.mean(axis=0)
        rows.append(
            (
                protocol,
                method,
                f"{len(found.right):,}",
                f"{reliability.calibration_error(found.confidence, found.right):.4f}",
                *(f"{reliability.tells_apart(score, found.right):.4f}" for score in (found.confidence, found.vote)),
                *(percent(reliability.risk_at(score, found.right, 0.97)) for score in (found.confidence, found.vote)),
                *(f"{percent(h)} in {size:.2f}" for h, size in zip(held, likely, strict=True)),
                percent(reliability.noticed(found.own, found.others, 0.01)) if len(found.others) else "",
            )
        )
    header = (
        *("protocol", "recipe", "images", "calibration error", "ROC area", "of votes"),
        *("error at 97 %", "of votes"),
        *(f"sets of {coverage:.0%}" for coverage in COVERAGES),
        "other family noticed",
    )
    return Table(header, rows)


@dataclass(frozen=True)
class Judged:
    """What runs have found of their answers' reliability, over all their n images.

    Attributes:
        confidence, vote, likely, held: see `training.runs.Answers`.
        right: whether the answer is.
        own: the gap of each image, its own family asked for, shape (n,).
        others: the gaps where another family was asked for, shape (n x (families - 1),).
    """

    confidence: np.ndarray
    vote: np.ndarray
    likely: np.ndarray
    held: np.ndarray
    right: np.ndarray
    own: np.ndarray
    others: np.ndarray


def judged(members: Sequence[Run]) -> Judged | None:
    """Over all images of several runs; None where one was not judged."""
    answers = [(place, a) for run in members for place, a in enumerate(run.answers.values())]
    if not answers or not all(len(a.confidence) for _, a in answers):
        return None
    return Judged(
        **{name: np.concatenate([getattr(a, name) for _, a in answers]) for name in ("confidence", "vote", "likely")},
        held=np.concatenate([a.held for _, a in answers]),
        right=np.concatenate([a.answer == a.truth for _, a in answers]),
        own=np.concatenate([a.gaps[:, place] for place, a in answers]),
        others=np.concatenate([np.delete(a.gaps, place, axis=1).ravel() for place, a in answers]),
    )


def refusals(run: Run) -> Table:
    """What is no character, by kind: area under the ROC against held-out characters, and what became of it."""
    rows = [
        (
            row["kind"],
            f"{row['area']:.4f}",
            percent(row["not_a_character"] / row["n"]),
            percent(row["abstained"] / row["n"]),
        )
        for row in run.details["refusals"]
    ]
    own = run.details["characters"]
    rows.append(("all kinds", f"{run.details['area']:.4f}", "", ""))
    rows.append(("characters, held out", "", percent(own["not_a_character"] / own["n"]), ""))
    return Table(("kind", "ROC area", "called no character", "abstained from"), rows)


def trials(results: Sequence[dict[str, Any]]) -> Table:
    """What was tried, in the order of its names: cost, and the share of right answers on each set."""
    sets = list(results[0]["scores"]) if results else []
    rows = []
    for result in results:
        cells = [" / ".join(percent(right / n) for right, n in result["scores"][name].values()) for name in sets]
        cost = f"{result['minutes']:.0f} min, {result['parameters'] / 1e6:.2f} M"
        rows.append((result["name"], result["change"], cost, *cells))
    return Table(("trial", "change", "cost", *sets), rows)


def by_images_per_class(runs: Sequence[Run]) -> dict[int, dict[str, dict[str, Any]]]:
    """Scores on the published test part, seed 1, by how many images of each class the first recipe learnt from."""
    found = {}
    for run in runs:
        if (run.protocol, run.part) == ("published", "1") and run.recipe.get("per_class"):
            found[run.recipe["per_class"]] = run.scores
        elif (run.protocol, run.part, run.method) == ("published", "1", "first"):
            images = run.data["train"]["images"] + run.data["validation"]["images"]
            found[round(images / JOINT_CLASSES)] = run.scores
    return dict(sorted(found.items()))
