import skysort


def test_what_is_public_is_listed_and_there() -> None:
    assert set(skysort.__all__) <= set(dir(skysort))
    assert all(getattr(skysort, name) for name in skysort.__all__)
