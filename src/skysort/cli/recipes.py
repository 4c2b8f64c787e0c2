"""skysort recipes: the recipes by name."""

from skysort.cli.console import show_names
from skysort.recipe.load import recipe_names
from skysort.recipe.schema import Recipe

EXAMPLES = """\
skysort recipes
skysort recipes | grep convnet
"""


def recipes() -> None:
    """List the recipes. In a pipe, print only their names, one per line."""
    loaded = (Recipe.load(name) for name in recipe_names())
    show_names("recipe", ((recipe.name, recipe.description) for recipe in loaded))
