import pytest

from training.data.sources import Share
from training.recipe import FIRST, MIN_STEPS, RECIPES, Search, changed, for_few_images


def test_recipes_change_by_dotted_names() -> None:
    recipe = changed(
        FIRST,
        {"epochs": 3, "augmentation.grow": 1.5, "extra_sources.dhcd.per_epoch": 40, "channels": [8, 8, 8]},
    )
    assert (recipe.epochs, recipe.augmentation.grow, recipe.channels) == (3, 1.5, (8, 8, 8))
    assert recipe.extra_sources == {"dhcd": Share(40)}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"epoch": 3}, "no epoch"),
        ({"epochs": "many"}, "epochs"),
        ({"extra_sources.others.per_epoch": 1}, "others"),
        ({"augmentation.shrunk": 1}, "shrunk"),
    ],
)
def test_an_unknown_name_or_value_is_an_error(change: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        changed(FIRST, change)


def test_few_images_get_more_epochs() -> None:
    assert for_few_images(RECIPES["quick"], 9042) == RECIPES["quick"]
    few = for_few_images(RECIPES["quick"], 480)
    assert few.epochs * (480 // few.batch) >= MIN_STEPS
    assert for_few_images(RECIPES["quick"], 1).epochs == MIN_STEPS


def test_the_middle_of_a_grid_is_one_point() -> None:
    assert Search(c=(1.0, 10.0, 100.0), gamma=(0.5, 1.0, 2.0)).middle == Search((10.0,), (1.0,))
