from skysort.recipe.fields import all_fields, fields_under
from skysort.recipe.schema import Recipe
from tests.conftest import refused


def test_every_field_of_every_shipped_recipe_is_listed_with_its_doc() -> None:
    known = {field.name for field in all_fields()}
    assert all(field.doc for field in all_fields())
    for name in ("swift", "mlp", "convnet-residual"):
        content = Recipe.load(name).model_dump(exclude_none=True, exclude={"published"})
        for section, values in content.items():
            fields = [f"{section}.{field}" for field in values] if isinstance(values, dict) else [section]
            assert known.issuperset(fields)


def test_defaults_and_kinds_are_the_recipes() -> None:
    (epochs,) = fields_under("training.epochs")
    assert (epochs.kind, epochs.default) == ('integer >= 1 or "auto"', "10")
    assert [field.network for field in fields_under("hidden")] == ["convnet", "mlp"]


def test_an_unknown_section_is_refused() -> None:
    with refused("unknown-section-or-field", "'trainign'", "'training'", exit_code=2):
        fields_under("trainign")
