"""The explanations beside the tables and plots, shared by the page and by ``docs/results/README.md``."""

from __future__ import annotations

from typing import Final

from training.evaluation.runs import Run
from training.report.tables import HCR_NET

PUBLISHED: Final = (
    "All readers are scored on the same 1,937 images, on which none of them was trained: the test part of the "
    "published split (seed 1) of NHCD. Most writers of these images are in the training part, too. A frozen network "
    "lacks its last two layers; the SVC is fitted on the features that remain."
)
LABEL_BUG: Final = (
    "The last column is P. Foret's articles (2017): numerals / vowels / consonants. These figures are not for the "
    "same images. The articles encode class i as column i - 1, so that numeral zero shares a column with ज्ञ. Their "
    "test part had 387 numerals of nine classes, 396 vowels, and 1,154 consonants including the zeros. In every "
    "other column here, 58 classes are separate: 430 numerals, 396 vowels and 1,111 consonants."
)
PROTOCOLS: Final = (
    "published: the articles' split, one seed per part. The parts share images, so the pooled interval is too narrow.",
    (
        "hcr-net: the first 20 % of each class's file names are held out. These are nearly new writers. HCR-Net (V. "
        "K. Chauhan and others, 2021; 9.8 M parameters) reports {:.2f} / {:.2f} / {:.2f} there, the mean of five "
        "runs."
    ).format(*HCR_NET),
    (
        "writers: five folds, with no writer in both training and test. The models never saw the writer of any test "
        "image."
    ),
    (
        "cross: trained on one data set, tested on the other. The models never saw the people, pens and scanners of "
        "the test images. DHCD has no vowels."
    ),
    "dhcd: the shipped models on the tenth of DHCD that was held out of their training.",
)
RECIPES: Final = (
    "The first recipe trains on the protocol's own images alone. The quick and full recipes (training/recipe.py) "
    "also train on other writers, from DHCD and fonts, but the cross protocol never trains on the data set that it "
    "tests. The full recipe ships: its run on the published split, seed 1, scores the shipped models. With several "
    "parts, accuracy and macro-F1 are means over the parts."
)
JOINT: Final = (
    "joint: accuracy over all 58 classes when no family is requested, as POST /predict/auto predicts. Where it says "
    '"not stored", the run is older than this definition and did not store the cosine similarities that it needs.'
)
CONFIDENCE: Final = (
    "Each training is calibrated on its own validation part; these are the results on the test part, over all "
    "families. ECE (expected calibration error): mean distance between confidence and accuracy, over 15 bins with "
    "equal numbers of images. AUROC: correct against wrong predictions, ranked by confidence or by the SVC's vote "
    "margin. Selective risk at 97 % coverage: the percentage of errors among accepted predictions when the 3 % with "
    "the lowest scores are rejected. Prediction sets: the percentage that contain the true class, and their mean "
    "size. Lookalike TPR at 1 % FPR: the percentage of images, requested as another family, that are noticed (true "
    "positives), where 1 % of those requested as their own family raise a false alarm (false positives)."
)
CONFIDENCE_PLOT: Final = (
    "Left: accuracy against confidence. Right: selective risk against coverage, by confidence (solid) and by the "
    "SVC's vote margin (dotted)."
)
FEW_SHOT: Final = (
    "An extractor was trained without the twelve vowels. The vowels were then added from a few images each of the "
    "training part, in five random draws, with hyperparameters cross-validated on these images alone. Scored on the "
    "396 test images of vowels: the mean, and the range over the draws, which the bars of the plot show. `python -m "
    "training add-family` adds any new family in the same way."
)
PLANES: Final = (
    "Test images in two dimensions: the outputs of a two-unit bottleneck before the last layer of a network trained "
    "on all classes (left) and of one trained on the vowels alone (right), as the articles plotted them."
)


def corrupted_images(run: Run) -> str:
    """What the table of corrupted images is about."""
    return (
        "Test images corrupted in ways that occur between paper and service: each glyph is redrawn at the size that "
        "the medium has and corrupted at three strengths. No corrupted image was trained on. Accuracy in percent "
        f"over {run.details['corruptions'][0]['n']} images of all families, each read by the head of its own family."
    )


def ood_inputs(run: Run) -> str:
    """What the table of OOD inputs is about."""
    return (
        "OOD inputs: glyphs that are none of the 58 characters, rendered from fonts and distorted, or drawn. AUROC: "
        f"against the {run.details['characters']['n']:,} characters of the test part, ranked by typicality. The "
        "threshold of `not_a_character` accepts 99 % of the validation images as characters. A prediction is "
        "abstained from for that reason or for `low_confidence`. Latin O, 0 and 3 are left out: they have the shapes "
        "of ० and ३. From `python -m training ood`."
    )
