"""Tables of accuracy, for the report and for the committed documents; `reliability_tables` has those of confidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from akshar.model.classes import CATALOGUE, JOINT_CLASSES
from training.data.splits import PROTOCOLS
from training.evaluation import metrics
from training.evaluation.runs import Run
from training.recipe import RECIPES

FAMILIES: Final = tuple(CATALOGUE)
JOINT: Final = "joint"
CHARACTERS: Final = {(family, c.class_id): c.character for family, classes in CATALOGUE.items() for c in classes}

SHIPPED: Final = ("published", "1", "full")
"""Protocol, part and method of the run of the shipped models."""
PARTED_PROTOCOLS: Final = ("published", "writers")
NOT_STORED: Final = "not stored"
"""In place of a joint accuracy: the run lacks what is needed to compute it."""
DASH: Final = "–"
"""In place of an accuracy: the test images have no such family."""

PUBLISHED_FIGURES: Final[dict[str, tuple[float, float, float]]] = {
    "pca-svc": (96.9, 87.9, 75.0),
    "cnn-per-family": (97.9, 93.5, 85.9),
    "published-network": (99.7, 99.5, 94.9),
}
"""Accuracies in P. Foret's articles (2017), in percent: numerals, vowels, consonants."""
HCR_NET: Final = (99.79, 98.26, 93.56)
"""Accuracies of HCR-Net (V. K. Chauhan and others, 2021), means of five runs, in percent."""

LINKS: Final = {
    "NHCD": "https://www.kaggle.com/datasets/ashokpant/devanagari-character-dataset",
    "DHCD": "https://archive.ics.uci.edu/dataset/389/devanagari+handwritten+character+dataset",
    "articles": (
        "https://github.com/PForet/PForet.github.io/blob/65fa66d258fcf4d1b81e5733a8624719fba60699/_posts/"
        "2017-03-21-neural-networks-specialization.md"
    ),
    "HCR-Net": "https://arxiv.org/abs/2108.06663",
}
"""Where the data sets and the published figures come from."""

READERS: Final = {
    "tesseract": "Tesseract 5, Devanagari model, single-character mode",
    "pca-svc": "PCA, 24 components, and an SVC",
    "cnn-per-family": "one CNN per family, trained from scratch (first recipe)",
    "published-network softmax": "the articles' network, softmax masked to the family",
    "published-network": "the articles' network, frozen, and an SVC",
    "first softmax": "Akshar, first recipe, softmax masked to the family",
    "first": "Akshar, first recipe, SVC",
    "quick softmax": "Akshar, quick recipe, softmax masked to the family",
    "quick": "Akshar, quick recipe, SVC",
    "full": "**Akshar as shipped**",
}
"""The rows of `published_and_ours`, in their order."""


@dataclass(frozen=True)
class Table:
    """A table of text cells."""

    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def markdown(self) -> str:
        """As GitHub's Markdown."""
        lines = [self.header, ("---",) * len(self.header), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def percent(share: float) -> str:
    """0.9748 as ``97.48``."""
    return f"{100 * share:.2f}"


def accuracy_with_counts(score: dict[str, Any]) -> str:
    """A score as accuracy, counts and 95 % interval."""
    low, high = score["interval"]
    return f"{percent(score['accuracy'])} ({score['correct']:,} of {score['n']:,}; {percent(low)} to {percent(high)})"


def find_run(runs: Sequence[Run], protocol: str, part: str, method: str) -> Run | None:
    """The one run of a protocol's part by a method, if it is there."""
    wanted = (protocol, part, method)
    return next((run for run in runs if (run.protocol, run.part, run.method) == wanted), None)


def group_by_protocol(runs: Sequence[Run]) -> dict[tuple[str, str], list[Run]]:
    """Runs of the recipes by protocol and recipe, each part of ``cross`` and ``left-out`` by itself."""
    groups: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        if run.method in RECIPES:
            name = f"{run.protocol} {run.part}" if run.protocol in ("cross", "left-out") else run.protocol
            groups[name, run.method].append(run)
    recipes = tuple(RECIPES)
    left_out = tuple(f"left-out {part}" for part in PROTOCOLS["left-out"].parts)
    within = ("published", "hcr-net", "writers", "cross nhcd-dhcd", "cross dhcd-nhcd", "dhcd", "dongre-mankar")
    order = left_out + within
    return {key: groups[key] for key in sorted(groups, key=lambda key: (order.index(key[0]), recipes.index(key[1])))}


def summarize_group(members: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """Scores of several runs as one; joint only where every run has it."""
    summary = metrics.summarize([run.scores for run in members])
    if not all(JOINT in run.scores for run in members):
        summary.pop(JOINT, None)
    return summary


def accuracy(runs: Sequence[Run]) -> Table:
    """The README's four rows: what the shipped models and the recipes read on known and on new writers."""
    groups = group_by_protocol(runs)

    def cells(protocol: str, recipe: str) -> tuple[str, ...]:
        members = groups.get((protocol, recipe))
        summary = summarize_group(members) if members else {}
        return tuple(percent(summary[key]["accuracy"]) if key in summary else DASH for key in (*FAMILIES, JOINT))

    shipped, new_writers = cells("published", "full"), cells("writers", "quick")
    other_data, hold_out = cells("cross nhcd-dhcd", "full"), cells("hcr-net", "full")
    links = {name: f"[{name}]({address})" for name, address in LINKS.items()}
    compared = tuple(f"{hcr_net:.2f} / {ours}" for hcr_net, ours in zip(HCR_NET, hold_out[:-1], strict=True))
    rows = [
        (f"the {links['articles']}' split of {links['NHCD']}, shipped models", *shipped),
        ("new writers, quick recipe, five folds", *new_writers),
        (f"trained on NHCD, tested on {links['DHCD']}, full recipe", *other_data),
        (f"{links['HCR-Net']}'s hold-out: HCR-Net / full recipe", *compared, hold_out[-1]),
    ]
    return Table(("test", *FAMILIES, "all 58"), rows)


def readers(runs: Sequence[Run]) -> dict[str, dict[str, dict[str, Any]]]:
    """Scores by family of all `READERS` that have a run, on the same images: the published split, seed 1."""
    scores: dict[str, dict[str, dict[str, Any]]] = {}
    for run in runs:
        if (run.protocol, run.part) == ("published", "1") and run.method in READERS:
            scores[run.method] = run.scores
            if f"{run.method} softmax" in READERS:
                scores[f"{run.method} softmax"] = softmax_scores(run)
    return {reader: scores[reader] for reader in READERS if reader in scores}


def softmax_scores(run: Run) -> dict[str, dict[str, Any]]:
    """Scores of the network's own last layer, masked to each family."""
    return {
        family: metrics.score(p.truth[p.kept], metrics.masked_argmax(p.logits, family, p.class_ids))
        for family, p in run.predictions.items()
    }


def published_and_ours(runs: Sequence[Run]) -> Table:
    """Every reader on the same test images, beside the articles' figures, which are for other images."""
    rows = []
    for reader, scores in readers(runs).items():
        published = " / ".join(f"{value:.1f}" for value in PUBLISHED_FIGURES.get(reader, ()))
        rows.append((READERS[reader], *(accuracy_with_counts(scores[family]) for family in FAMILIES), published))
    return Table(("reader", *FAMILIES, "Foret (2017), on other images"), rows)


def protocol_summary(runs: Sequence[Run]) -> Table:
    """`protocols` without counts and intervals."""
    rows = []
    for (protocol, recipe), members in group_by_protocol(runs).items():
        summary = summarize_group(members)
        cells = [percent(summary[family]["accuracy"]) if family in summary else DASH for family in FAMILIES]
        joint = percent(summary[JOINT]["accuracy"]) if JOINT in summary else NOT_STORED
        rows.append((f"`{protocol}`", recipe, *cells, joint))
    return Table(("protocol", "recipe", *FAMILIES, JOINT), rows)


def protocols(runs: Sequence[Run]) -> Table:
    """Each protocol's accuracy by family and over all 58 classes: mean, range over the parts, pooled interval."""
    header = ("protocol", "recipe", "parts", "family", "accuracy", "range", "correct", "95 % interval", "macro-F1")
    return Table(header, [row for key, members in group_by_protocol(runs).items() for row in _protocol(key, members)])


def _protocol(key: tuple[str, str], members: Sequence[Run]) -> Iterator[tuple[str, ...]]:
    protocol, recipe = key
    summary = summarize_group(members)
    parts = ", ".join(run.part for run in members) if protocol in PARTED_PROTOCOLS else ""
    for family in (*FAMILIES, JOINT):
        if (score := summary.get(family)) is None:
            if family == JOINT:
                yield (protocol, recipe, parts, family, NOT_STORED, "", "", "", "")
            continue
        low, high = score["range"]
        yield (
            protocol,
            recipe,
            parts,
            family,
            percent(score["accuracy"]),
            f"{percent(low)} to {percent(high)}" if len(members) > 1 else "",
            f"{score['correct']:,} of {score['n']:,}",
            " to ".join(map(percent, score["interval"])),
            percent(score["macro_f1"]),
        )


def pool(members: Sequence[Run]) -> dict[str, tuple[metrics.Ints, metrics.Ints]]:
    """True and predicted classes by family, over several runs."""
    pooled = {}
    for family in FAMILIES:
        parts = [run.predictions[family] for run in members if family in run.predictions]
        if parts:
            pooled[family] = np.concatenate([p.truth for p in parts]), np.concatenate([p.predicted for p in parts])
    return pooled


def errors(runs: Sequence[Run]) -> Table:
    """Each protocol's worst classes and most frequent confusions."""
    rows = []
    for (protocol, recipe), members in group_by_protocol(runs).items():
        for family, (truth, predicted) in pool(members).items():
            worst = ", ".join(
                f"{CHARACTERS[family, c]} {percent(correct / n)}"
                for c, correct, n in metrics.worst_classes(truth, predicted)
            )
            pairs = ", ".join(
                f"{CHARACTERS[family, t]} as {CHARACTERS[family, p]} {times}x"
                for t, p, times in metrics.confusions(truth, predicted, 6)
            )
            rows.append((protocol, recipe, family, worst or "none", pairs or "none"))
    return Table(("protocol", "recipe", "family", "worst classes, % correct", "most frequent confusions"), rows)


def few_shot(runs: Sequence[Run]) -> Table:
    """The vowels trained on few images: mean and range over the draws."""
    rows = []
    for images, draws in few_shot_draws(runs).items():
        cells = []
        for method in ("svc", "softmax"):
            shares = [draw[method] / draw["n"] for draw in draws]
            cells.append(f"{percent(float(np.mean(shares)))} ({percent(min(shares))} to {percent(max(shares))})")
        rows.append((str(images), *cells))
    return Table(("images of each vowel", "SVC on frozen features", "retrained softmax layer"), rows)


def few_shot_draws(runs: Sequence[Run]) -> dict[int, list[dict[str, Any]]]:
    """The draws of the few-shot run, by number of images per class."""
    draws: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        for row in run.details.get("curve", []):
            draws[row["images"]].append(row)
    return dict(draws)


def ablations(results: Sequence[dict[str, Any]]) -> Table:
    """Ablations in the order of their names: cost, and accuracy by family on each set that was scored."""
    sets = list(dict.fromkeys(name for result in results for name in result["scores"]))
    rows = []
    for result in results:
        scores = (result["scores"].get(name, {}).values() for name in sets)
        cells = [" / ".join(percent(correct / n) for correct, n in counts) for counts in scores]
        cost = f"{result['minutes']:.0f} min, {result['parameters'] / 1e6:.2f} M"
        rows.append((result["name"], result["change"], cost, *cells))
    return Table(("ablation", "change", "cost", *sets), rows)


def scores_by_training_images(runs: Sequence[Run]) -> dict[int, dict[str, dict[str, Any]]]:
    """Scores on the published split, seed 1, by the number of images per class that the first recipe trained on."""
    scores = {}
    for run in runs:
        if (run.protocol, run.part) == ("published", "1") and run.recipe.get("per_class"):
            scores[run.recipe["per_class"]] = run.scores
        elif (run.protocol, run.part, run.method) == ("published", "1", "first"):
            images = run.data["train"]["images"] + run.data["validation"]["images"]
            scores[round(images / JOINT_CLASSES)] = run.scores
    return dict(sorted(scores.items()))
