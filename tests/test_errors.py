import pytest

from skysort.errors import suggestion


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("convet", ("mlp", "convnet"), "did you mean 'convnet'?"),
        ("Bird", ("airplane", "bird"), "did you mean 'bird'?"),
        ("cdua", ("auto", "cpu", "cuda"), "did you mean 'cuda'?"),
        ("resnet", ("lenet", "resnet-deep", "resnet-wide"), "did you mean 'resnet-deep' or 'resnet-wide'?"),
        ("tpu", ("auto", "cpu"), "there are: auto, cpu"),
        ("cat", ("car", "bird"), "there are: car, bird"),
        ("zebra", [f"class {number}" for number in range(40)], ", class 29, and 10 more"),
    ],
)
def test_a_suggestion_is_what_was_meant_or_a_list(name: str, known: list[str], said: str) -> None:
    assert suggestion(name, known).endswith(said)
