"""Near-duplicates: one picture saved again at another quality, resized a little, or brightened.

What is compared is what a picture shows in the large: the low frequencies of its channels, without the brightness,
slope and bend across it that any two clear skies share, and relative to their own contrast. Two pictures are
near-duplicates when these correlate to 0.95 or more, and when so near a stranger is not to be expected: how many
there would be follows from how strangers thin out towards each of the two. That tells a copy from a kind. Of
handwritten ones, or of frames from a camera that never moves, thousands correlate to more than 0.95; what plain
skies have besides slope and bend is noise, and every picture's is its own.

Measured at 32x32 on CIFAR-10, drawn skies and photographs of birds, 300 of each: found are 99 % and more of the
copies that were resized to six tenths, brightened by 15 %, or cut by half a pixel a side, and of those saved at
this size as JPEG of quality 75 at least 95 %, of quality 50 at least 89 %. Of CIFAR-10's 60,000 pictures, 650 are
near-duplicates; of 60 pairs looked at, among them those that correlate the least, each was of one photograph. Of
MNIST's 70,000 digits 84 are taken for copies. What is moved by a whole pixel of 32 is mostly not found, and a
mirror image is another picture: in some data it means something else.
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
MOST_STRANGERS = 1e-4
"""That may be expected as near as a near-duplicate: of so many pictures, about, one is taken for a copy by
chance."""
LEAST_CONTRAST = 1.0
"""Root mean square of what is compared, in grey levels of 255: below, it is little more than rounding."""
FREQUENCIES = 12
"""Of the cosine transform, each way. Pictures of fewer pixels a side have too little in them to be known again
by."""

NUM_STRANGERS = 1000
"""Drawn at random, to know how strangers thin out. Some may be copies, which is why their nearest do not count."""
RANKS = (20, 100)
"""The strangers by nearness of which the squared distances are taken."""
LEAST_PICTURES = 8
"""With fewer there are no strangers to speak of."""

NUM_TABLES, CODE_BITS = 24, 16
"""A table sorts pictures by a code, a bit for the side of each random plane that they lie on, and those of one
code are compared (Charikar, Similarity estimation techniques from rounding algorithms, 2002). Pictures that
correlate to 0.98 have one of the codes in common with a probability of 0.9999, to 0.95 with 0.99."""
MOST_DIFFERENT_BITS = 62
"""Of all codes' bits: one pair in 20,000 that correlate to 0.95 has more."""
WINDOW = 64
"""Pictures of the same code that each is compared with in a table, at most."""
PAIRS_AT_ONCE = 2**22
PAIRS_A_CHUNK = 2**13
CHUNK_BYTES = 2**24


def first_near(pixels: Pixels, first_equal: Indices, progress: Progress) -> Indices:
    """Find near-duplicates; near ones of near ones are together with them.

    The work grows with the number of pictures, not of pairs. Where more than WINDOW pictures have a code in
    common, each is compared with those whose further codes are the most alike; `progress` is told of pictures that
    this befalls in most tables.

    Args:
        pixels: (M, C, S, S).
        first_equal: (M,) the first picture that equals each one.
        progress: where to say how far it is.

    Returns:
        (M,) the first picture of those that each is together with; itself for most.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    distinct = np.flatnonzero(first_equal == np.arange(len(first_equal)))
    if len(distinct) < LEAST_PICTURES or pixels.shape[-1] < FREQUENCIES:
        return first_equal
    rows, codes = _codes(pixels, distinct, progress)
    if len(rows) < LEAST_PICTURES:
        return first_equal
    found = [_alike(pixels, rows[pairs]) for pairs in _candidates(codes, progress)]
    pairs, apart = (np.concatenate(column) for column in zip(*found, strict=True))
    pairs = pairs[_num_strangers(pixels, rows, pairs, apart) <= MOST_STRANGERS]
    graph = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(pixels), len(pixels)))
    together = connected_components(graph, directed=False)[1][first_equal]
    _, first, number = np.unique(together, return_index=True, return_inverse=True)
    return first[number]


def looks(pixels: Pixels) -> tuple[Floats, Floats]:
    """Return what is compared of pictures.

    Args:
        pixels: (N, C, S, S).

    Returns:
        (N, D) of length 1, whose products are correlations, or of length 0; and (N,) their contrast in grey
        levels.
    """
    waves, trends = _basis(pixels.shape[-1])
    found = (waves @ pixels.astype(np.float32) @ waves.T).reshape(*pixels.shape[:2], -1)
    found -= found @ trends @ trends.T
    found = found.reshape(len(pixels), -1)
    lengths = np.linalg.norm(found, axis=1)
    found /= np.maximum(lengths, 1e-6)[:, None]
    return found, lengths / np.sqrt(pixels[0].size, dtype=np.float32)


@lru_cache(maxsize=1)
def _basis(size: int) -> tuple[Floats, Floats]:
    """Return the orthonormal cosine transform (DCT-II) up to FREQUENCIES, and in its terms what brightness, slope
    and bend are made of: (F, S) and (F * F, 6), whose columns are orthonormal.
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
    """Return the rows of pictures that have contrast, and (N, NUM_TABLES) their codes."""
    num_looks = looks(pixels[:1])[0].shape[1]
    planes = np.random.default_rng(1).standard_normal((num_looks, NUM_TABLES * CODE_BITS), np.float32)
    compared, codes = [], []
    chunk = max(1, CHUNK_BYTES // pixels[0].nbytes // 4)
    with progress.step("Looking for near-duplicates", len(rows)) as tell:
        for start in range(0, len(rows), chunk):
            some = rows[start : start + chunk]
            found, contrast = looks(pixels[some])
            has_contrast = contrast >= LEAST_CONTRAST
            compared.append(some[has_contrast])
            codes.append(np.packbits(found[has_contrast] @ planes > 0, axis=1).view(np.uint16))
            tell(len(some), "")
    return np.concatenate(compared), np.concatenate(codes)


def _candidates(codes: Codes, progress: Progress) -> Iterator[Indices]:
    """Yield (P, 2) pairs of pictures that may be near-duplicates, a few million at a time."""
    num_bits = np.array([number.bit_count() for number in range(2**CODE_BITS)], np.uint8)
    num = len(codes)
    waiting: list[Indices] = []
    times_crowded = np.zeros(num, np.int64)
    for table in range(NUM_TABLES):
        # Behind this table's code stand others', so that the most alike are neighbours.
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
            f"{num_crowded:,} pictures are much like more than {WINDOW} others each;"
            " near-duplicates were looked for among the most alike alone"
        )


def _alike(pixels: Pixels, pairs: Indices) -> tuple[Indices, Distances]:
    """Return those of (P, 2) pairs that correlate, and how far each pair is apart: 1 less the correlation."""
    alike, far = [np.empty((0, 2), np.int64)], [np.empty(0)]
    for start in range(0, len(pairs), PAIRS_A_CHUNK):
        chunk = pairs[start : start + PAIRS_A_CHUNK]
        rows, number = np.unique(chunk, return_inverse=True)
        left, right = looks(pixels[rows])[0][number.reshape(-1, 2).T]
        apart = 1 - np.einsum("pd,pd->p", left, right, dtype=np.float64)
        near = apart <= 1 - LEAST_CORRELATION
        alike.append(chunk[near])
        far.append(apart[near])
    return np.concatenate(alike), np.concatenate(far)


def _num_strangers(pixels: Pixels, rows: Indices, pairs: Indices, apart: Distances) -> Distances:
    """Return (P,) how many strangers are to be expected as near as the pictures of each pair are to one another.

    Around a picture their number grows with a power of the distance, which two ranks among strangers drawn at
    random give (Pettis et al., An intrinsic dimensionality estimator from near-neighbor information, 1979); the
    picture around which there are more counts.

    Args:
        pixels: (M, C, S, S).
        rows: (N,) the pictures compared.
        pairs: (P, 2).
        apart: (P,) half the squared distance of each pair, which is 1 less the correlation.
    """
    chosen = np.random.default_rng(0).permutation(rows)[:NUM_STRANGERS]
    strangers = looks(pixels[np.sort(chosen)])[0]
    ranks = np.minimum(RANKS, [len(strangers) // 4, len(strangers) // 2])
    paired, number = np.unique(pairs, return_inverse=True)
    distances = [np.empty((0, 2))]
    for start in range(0, len(paired), PAIRS_A_CHUNK // 8):
        some = looks(pixels[paired[start : start + PAIRS_A_CHUNK // 8]])[0]
        distances.append(np.partition(1 - some @ strangers.T, ranks, axis=1)[:, ranks])
    near, far = np.concatenate(distances).clip(1e-6).T
    power = np.log(ranks[1] / ranks[0]) / np.log(far / near).clip(1e-3)
    around = number.reshape(-1, 2).T
    num_near = len(rows) * ranks[0] / len(strangers)
    expected: Distances = num_near * ((apart.clip(0) / near[around]) ** power[around]).max(axis=0)
    return expected
