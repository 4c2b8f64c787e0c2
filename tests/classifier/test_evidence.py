import numpy as np

from skysort.classifier.evidence import overlay, relative_map

GREY = np.full((3, 28, 28), 128, np.uint8)


def test_a_map_is_relative_to_the_other_classes() -> None:
    evidence = np.random.default_rng(0).normal(size=(4, 7, 7)).astype(np.float32)
    places = relative_map(evidence, 2)
    np.testing.assert_allclose(places, evidence[2] - (evidence[0] + evidence[1] + evidence[3]) / 3, atol=1e-6)
    np.testing.assert_allclose(relative_map(evidence + 5, 2), places, atol=1e-5)


def test_evidence_for_is_orange_against_is_blue_and_none_is_grey() -> None:
    places = np.zeros((7, 7), np.float32)
    places[1, 1], places[5, 5] = 2, -1
    red, _, blue = overlay(GREY, places).astype(int)
    assert red[6, 6] > 170 and blue[6, 6] < 90
    assert red[22, 22] < 110 and 128 < blue[22, 22] < 160, "half as strong as the strongest"
    assert np.array_equal(overlay(GREY, places)[:, 5, 22], [128] * 3)
    np.testing.assert_array_equal(overlay(GREY, 10 * places), overlay(GREY, places))


def test_the_map_of_a_mirrored_picture_is_the_mirrored_map() -> None:
    rng = np.random.default_rng(0)
    pixels, places = rng.integers(0, 256, (3, 28, 28), dtype=np.uint8), rng.normal(size=(7, 7)).astype(np.float32)
    drawn, mirrored = (overlay(pixels[..., ::step], places[:, ::step]).astype(int) for step in (1, -1))
    assert np.abs(mirrored - drawn[..., ::-1]).max() <= 1


def test_a_map_of_zeros_leaves_the_picture_grey() -> None:
    np.testing.assert_array_equal(overlay(GREY[:1], np.zeros((7, 7), np.float32)), GREY)
