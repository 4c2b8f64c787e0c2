"""Near-duplicates: one picture saved again at another quality, resized a little, or brightened.

The comparison uses the low frequencies of a picture's channels, divided by their own contrast. It leaves out
brightness, slope and bend across the picture, which any two clear skies share. Two pictures are near-duplicates if
their low frequencies correlate to 0.95 or more, and if no unrelated picture is expected to be so close. The
expected number of unrelated pictures follows from how their number falls towards each of the two. This tells
copies from pictures of one kind: thousands of handwritten ones, or of frames from a fixed camera, correlate to
more than 0.95. Plain skies have only noise besides slope and bend, and the noise of each picture is its own.

Measured at 32x32 on CIFAR-10, drawn skies and photographs of birds, 300 pictures of each: the search finds at
least 99 % of the copies that were resized to six tenths, brightened by 15 %, or cropped by half a pixel per side.
It finds at least 95 % of the copies saved at this size as JPEG of quality 75, and 89 % at quality 50. 650 of
CIFAR-10's 60,000 pictures are near-duplicates. In all of 60 pairs that were inspected, among them those with the
lowest correlation, both pictures were of one photograph. 84 of MNIST's 70,000 digits count as copies. The search
misses most pictures shifted by a whole pixel of 32. It does not look for mirror images, because in some data they
mean something else.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from skysort.core.progress import Progress
from skysort.data.decode import Pixels

Indices = NDArray[np.int64]
Floats = NDArray[np.float32]
Distances = NDArray[np.float64]
Codes = NDArray[np.uint16]

LEAST_CORRELATION = 0.95
MAX_UNRELATED = 1e-4
"""Expected number of unrelated pictures as close as a near-duplicate: about one picture in 10,000 counts as a copy
by chance."""
LEAST_CONTRAST = 1.0
"""Least root mean square of the compared frequencies, in grey levels of 255. Below it, they are mostly
rounding."""
FREQUENCIES = 12
"""Number of frequencies of the cosine transform in each direction. Pictures with fewer pixels per side hold too
little to recognise."""

NUM_UNRELATED = 1000
"""Random sample of pictures that shows how the number of unrelated ones falls with distance. Some may be copies,
so the nearest do not count."""
RANKS = (20, 100)
"""Ranks, by distance, of the two unrelated pictures whose squared distances are used."""
LEAST_PICTURES = 8
"""With fewer pictures, there are too few unrelated ones."""

NUM_TABLES, CODE_BITS = 24, 16
"""A table sorts pictures by a code: each bit is the side of a random plane that a picture is on. Pictures with
equal codes are compared (Charikar, Similarity estimation techniques from rounding algorithms, 2002). Two pictures
that correlate to 0.98 share one of the codes with a probability of 0.9999, and to 0.95 with 0.99."""
MOST_DIFFERENT_BITS = 62
"""Number of bits, over all codes, that may differ. One in 20,000 pairs that correlate to 0.95 differs in more."""
WINDOW = 64
"""Number of pictures with the same code that each is compared with per table, at most."""
PAIRS_AT_ONCE = 2**22
PAIRS_PER_CHUNK = 2**13
CHUNK_BYTES = 2**24


def first_near(pixels: Pixels, first_equal: Indices, progress: Progress) -> Indices:
    """Find near-duplicates. Near-duplicates of near-duplicates join their group.

    The work grows with the number of pictures, not of pairs. If more than WINDOW pictures share a code, each is
    compared with those whose other codes are most similar. `progress` reports the number of pictures for which
    this happens in most tables.

    Args:
        pixels: (M, C, S, S).
        first_equal: (M,) position of the first picture that equals each one.
        progress: receives the progress.

    Returns:
        (M,) position of the first picture in each one's group; its own for most.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    distinct = np.flatnonzero(first_equal == np.arange(len(first_equal)))
    if len(distinct) < LEAST_PICTURES or pixels.shape[-1] < FREQUENCIES:
        return first_equal
    rows, codes = _codes(pixels, distinct, progress)
    if len(rows) < LEAST_PICTURES:
        return first_equal
    correlated = [_alike(pixels, rows[pairs]) for pairs in _candidates(codes, progress)]
    pairs, apart = (np.concatenate(column) for column in zip(*correlated, strict=True))
    if not len(pairs):
        return first_equal
    pairs = pairs[_expected_unrelated(pixels, rows, pairs, apart) <= MAX_UNRELATED]
    graph = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(pixels), len(pixels)))
    together = connected_components(graph, directed=False)[1][first_equal]
    _, first, number = np.unique(together, return_index=True, return_inverse=True)
    return first[number]


def low_frequencies(pixels: Pixels) -> tuple[Floats, Floats]:
    """Return the low frequencies of pictures, for comparison.

    Args:
        pixels: (N, C, S, S).

    Returns:
        (N, D) vectors of length 1, whose products are correlations, or of length 0; and (N,) their contrast in
        grey levels.
    """
    waves, trends = _basis(pixels.shape[-1])
    chunk = max(1, CHUNK_BYTES // pixels[0].size // 4)
    parts = (_transformed(pixels[start : start + chunk], waves) for start in range(0, len(pixels), chunk))
    vectors = np.concatenate(list(parts))
    vectors -= vectors @ trends @ trends.T
    vectors = vectors.reshape(len(pixels), -1)
    lengths = np.linalg.norm(vectors, axis=1)
    vectors /= np.maximum(lengths, 1e-6)[:, None]
    return vectors, lengths / np.sqrt(pixels[0].size, dtype=np.float32)


def _transformed(pixels: Pixels, waves: Floats) -> Floats:
    """Return the (N, C, F * F) lowest frequencies of (N, C, S, S) pictures by their (F, S) cosine transform.

    All rows of all pictures are one matrix: threads share one large product well, but thousands of small ones
    badly, in particular when other programs use the cores too.
    """
    num, channels, size, _ = pixels.shape
    across = (pixels.reshape(-1, size).astype(np.float32) @ waves.T).reshape(num, channels, size, -1)
    transformed: Floats = (waves @ across).reshape(num, channels, -1)
    return transformed


@lru_cache(maxsize=1)
def _basis(size: int) -> tuple[Floats, Floats]:
    """Return the orthonormal cosine transform (DCT-II) up to FREQUENCIES, and in its basis brightness, slope and
    bend.

    Returns:
        (F, S), and (F * F, 6) with orthonormal columns.
    """
    numbers = np.arange(FREQUENCIES)[:, None]
    waves = np.cos(np.pi * numbers * (np.arange(size) + 0.5) / size) * np.sqrt(2 / size)
    waves[0] /= np.sqrt(2)
    along = np.linspace(-1, 1, size)
    powers = [(down, right) for down in range(3) for right in range(3 - down)]
    trends = [waves @ np.outer(along**down, along**right) @ waves.T for down, right in powers]
    orthonormal = np.linalg.qr(np.reshape(trends, (len(trends), -1)).T)[0]
    return waves.astype(np.float32), orthonormal.astype(np.float32)


def _codes(pixels: Pixels, rows: Indices, progress: Progress) -> tuple[Indices, Codes]:
    """Return the (N,) rows of pictures with enough contrast, and their (N, NUM_TABLES) codes."""
    num_dimensions = low_frequencies(pixels[:1])[0].shape[1]
    planes = np.random.default_rng(1).standard_normal((num_dimensions, NUM_TABLES * CODE_BITS), np.float32)
    compared, codes = [], []
    chunk = max(1, CHUNK_BYTES // pixels[0].nbytes // 4)
    with progress.step("Looking for near-duplicates", len(rows)) as tell:
        for start in range(0, len(rows), chunk):
            chunk_rows = rows[start : start + chunk]
            vectors, contrast = low_frequencies(pixels[chunk_rows])
            has_contrast = contrast >= LEAST_CONTRAST
            compared.append(chunk_rows[has_contrast])
            codes.append(np.packbits(vectors[has_contrast] @ planes > 0, axis=1).view(np.uint16))
            tell(len(chunk_rows), "")
    return np.concatenate(compared), np.concatenate(codes)


def _candidates(codes: Codes, progress: Progress) -> Iterator[Indices]:
    """Yield (P, 2) pairs of pictures that may be near-duplicates, a few million at a time."""
    num_bits = np.array([number.bit_count() for number in range(2**CODE_BITS)], np.uint8)
    num = len(codes)
    waiting: list[Indices] = []
    times_crowded = np.zeros(num, np.int64)
    for table in range(NUM_TABLES):
        # Other tables' codes follow this table's code, so that the most similar pictures are neighbours.
        words = np.roll(codes, -table, axis=1)[:, : 64 // CODE_BITS]
        order = np.lexsort(words.T[::-1])
        own = words[order, 0]
        places = np.arange(num)
        for step in range(1, WINDOW + 1):
            places = places[: np.searchsorted(places, num - step)]
            places = places[own[places] == own[places + step]]
            left, right = order[places], order[places + step]
            may_be = num_bits[codes[left] ^ codes[right]].sum(axis=1) <= MOST_DIFFERENT_BITS
            ends = np.sort([left[may_be], right[may_be]], axis=0)
            waiting.append(ends[0] * num + ends[1])
        times_crowded[order[places]] += 1
        if sum(map(len, waiting)) > PAIRS_AT_ONCE or table == NUM_TABLES - 1:
            pairs = np.unique(np.concatenate(waiting))
            waiting = []
            yield np.stack(np.divmod(pairs, num), axis=1)
    if num_crowded := int((times_crowded > NUM_TABLES // 2).sum()):
        progress.say(
            f"{num_crowded:,} pictures are similar to more than {WINDOW} others each; Skysort compared them only"
            " with the most similar ones"
        )


def _alike(pixels: Pixels, pairs: Indices) -> tuple[Indices, Distances]:
    """Return the pairs that correlate, out of (P, 2) pairs, and the distance of each: 1 - correlation."""
    alike, far = [np.empty((0, 2), np.int64)], [np.empty(0)]
    for start in range(0, len(pairs), PAIRS_PER_CHUNK):
        chunk = pairs[start : start + PAIRS_PER_CHUNK]
        rows, number = np.unique(chunk, return_inverse=True)
        left, right = low_frequencies(pixels[rows])[0][number.reshape(-1, 2).T]
        apart = 1 - np.einsum("pd,pd->p", left, right, dtype=np.float64)
        near = apart <= 1 - LEAST_CORRELATION
        alike.append(chunk[near])
        far.append(apart[near])
    return np.concatenate(alike), np.concatenate(far)


def _expected_unrelated(pixels: Pixels, rows: Indices, pairs: Indices, apart: Distances) -> Distances:
    """Return (P,) the expected number of unrelated pictures within the distance of each pair.

    Around a picture this number grows with a power of the distance. Two ranks in a random sample give the power
    (Pettis et al., An intrinsic dimensionality estimator from near-neighbor information, 1979). The larger of the
    numbers around the two pictures counts.

    Args:
        pixels: (M, C, S, S).
        rows: (N,) positions of the compared pictures.
        pairs: (P, 2) positions.
        apart: (P,) half the squared distance of each pair, which is 1 - correlation.
    """
    chosen = np.random.default_rng(0).permutation(rows)[:NUM_UNRELATED]
    unrelated = low_frequencies(pixels[np.sort(chosen)])[0]
    ranks = np.minimum(RANKS, [len(unrelated) // 4, len(unrelated) // 2])
    paired, number = np.unique(pairs, return_inverse=True)
    distances = [np.empty((0, 2))]
    for start in range(0, len(paired), PAIRS_PER_CHUNK // 8):
        vectors = low_frequencies(pixels[paired[start : start + PAIRS_PER_CHUNK // 8]])[0]
        distances.append(np.partition(1 - vectors @ unrelated.T, ranks, axis=1)[:, ranks])
    near, far = np.concatenate(distances).clip(1e-6).T
    power = np.log(ranks[1] / ranks[0]) / np.log(far / near).clip(1e-3)
    around = number.reshape(-1, 2).T
    num_near = len(rows) * ranks[0] / len(unrelated)
    expected: Distances = num_near * ((apart.clip(0) / near[around]) ** power[around]).max(axis=0)
    return expected
