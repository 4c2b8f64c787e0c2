"""Skies: a built-in data set of drawn birds and airplanes, which needs no download.

A picture is a small scene. A bird or an airplane consists of a few flat surfaces and round tubes in
space. It is banked and turned, seen from the side, from below or from between, and painted from far
to near on a sky with clouds. Light, colours, position, size and sky come from the same distributions
for both classes. Only the shape tells them apart, and a contrail behind one airplane in ten.

Scalars are plain Python numbers, not numpy: for about eighty points this is several times faster.
"""

from math import cos, hypot, pi, sin
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Point = tuple[float, float, float]  # in a subject's axes: x forward, y to its left, z up; a body is about 1 long
Colour = tuple[float, float, float]  # RGB in 0..255

CLASSES = ("airplane", "bird")

SMALLEST = 8  # pixels; in smaller pictures, the classes look the same
SUPERSAMPLE = 4
SUN = (-0.35, -0.80, 0.49)  # unit vector towards the light: right, down, to the viewer
# A tube is painted in three tones, each narrower and nearer to the sun. Per tone: its two edges in radii, its
# light.
TONES = ((1.0, -1.0, 0.62), (0.95, -0.5, 0.8), (0.8, 0.05, 1.0))

# Colours of the sky per time of day, RGB in 0..255: zenith, horizon.
HOURS = np.array(
    [
        [[60, 118, 198], [155, 200, 235]],  # blue day
        [[95, 150, 205], [205, 222, 235]],  # pale day
        [[150, 170, 190], [225, 225, 220]],  # haze
        [[92, 98, 145], [240, 165, 110]],  # dusk
        [[125, 132, 142], [185, 190, 195]],  # grey
    ],
    np.float32,
)
# Colours of the subject, for plumage and paint.
DARK: tuple[Colour, ...] = ((30, 30, 34), (58, 50, 46), (92, 68, 48), (66, 76, 92), (84, 84, 90))
BRIGHT: tuple[Colour, ...] = ((238, 238, 240), (205, 190, 160), (165, 55, 45))
VAPOUR: Colour = (250, 250, 250)
MAIN, SECOND, TRIM, TRAIL = range(4)  # rows of a subject's palette
CLOUD_GRIDS = (4, 12, 36)  # cells per side, coarse to fine
FINER = (0.3, 0.12)  # weights of the second and the third grid against those before

Row = tuple[float, ...]
Stations = tuple[Row, Row, Row]  # stations of a tube, nose to tail: x, z, radius
FUSELAGE: Stations = (
    (0.50, 0.48, 0.44, 0.37, 0.00, -0.17, -0.30, -0.50),
    (-0.012, -0.010, -0.003, 0.000, 0.000, 0.002, 0.012, 0.032),
    (0.006, 0.026, 0.042, 0.054, 0.056, 0.054, 0.042, 0.008),
)
ENGINE: Stations = ((0.09, 0.06, -0.01, -0.05), (0, 0, 0, 0), (0.024, 0.032, 0.029, 0.018))
CONTRAIL: Stations = ((-0.6, -1.2, -4.0), (0, 0, 0), (0.012, 0.035, 0.10))
BODY: Stations = (
    (0.295, 0.28, 0.25, 0.21, 0.16, 0.10, 0.03, -0.05, -0.14, -0.28),
    (0.022, 0.026, 0.030, 0.029, 0.020, 0.005, -0.006, -0.006, 0.003, 0.020),
    (0.018, 0.042, 0.056, 0.060, 0.056, 0.074, 0.089, 0.088, 0.066, 0.024),
)
BEAK: Stations = ((0.37, 0.32, 0.27), (0.006, 0.018, 0.022), (0.003, 0.016, 0.030))
FAN = ((-0.20, -0.42, -0.45, -0.43, -0.45, -0.42, -0.20), (0.03, 0.10, 0.05, 0, -0.05, -0.10, -0.03))  # x, y
# A bird's wing, shoulder to tip: share of the span, then x of the leading edge, of the roots of the
# feathers, and of the trailing edge, which ends in fingers.
WING = (
    (0.00, 0.17, 0.36, 0.50, 0.62, 0.75, 0.80, 0.88, 0.92, 1.00),
    (0.10, 0.15, 0.18, 0.18, 0.15, 0.10, 0.08, 0.03, 0.00, -0.11),
    (0.00, 0.05, 0.07, 0.08, 0.06, 0.03, 0.02, -0.01, -0.03, -0.12),
    (-0.14, -0.18, -0.18, -0.15, -0.15, -0.21, -0.03, -0.23, -0.07, -0.22),
)
WRIST = 4  # the station of WING where arm and hand meet


class BodyPart(NamedTuple):
    """A flat surface with corners, or a round tube along an axis."""

    paint: int  # row of the subject's palette
    points: list[Point]
    radii: Row = ()  # radii of a tube at its points


def draw(index: int, size: int, seed: int = 0) -> Pixels:
    """Draw picture number `index` of a seed: (size, size, 3) uint8 RGB.

    Its class is `CLASSES[index % 2]`. The scene depends only on `seed` and `index`, so that the same
    picture can be drawn at any size.

    Raises:
        ValueError: if `index` or `seed` is negative, or `size` is below 8 pixels.
    """
    if index < 0 or seed < 0:
        raise ValueError(f"skies: expected index and seed of at least 0, found index {index} and seed {seed}")
    if size < SMALLEST:
        raise ValueError(f"skies: expected a size of at least {SMALLEST} pixels, found {size}")
    dice = Random(f"skies {seed} {index}")
    parts = _bird(dice) if CLASSES[index % 2] == "bird" else _airplane(dice)
    subject = np.asarray(_paint(dice, parts, size), np.float32)  # (S, S, 4), premultiplied
    opacity = dice.uniform(0.9, 1.0)  # the air in between dims it
    scene = _sky(dice, size)
    scene *= 1 - subject[..., 3:] * (opacity / 255)
    scene += subject[..., :3] * opacity
    if dice.random() < 0.3:
        noise = np.frombuffer(dice.randbytes(scene.size), np.uint8).reshape(scene.shape)
        scene += (noise - np.float32(127.5)) * (dice.uniform(2, 15) / 255)
    return np.clip(scene, 0, 255, out=scene).astype(np.uint8)


def _sky(dice: Random, size: int) -> Floats:
    """Draw a gradient, clouds, and sometimes land: (size, size, 3) in 0..255."""
    hour, other = dice.choice(HOURS), dice.choice(HOURS)
    zenith, horizon = hour + (other - hour) * dice.uniform(0, 0.5)
    down = np.arange(0.5, size, dtype=np.float32)[:, None] / size  # (S, 1), 0 at the top, 1 at the bottom
    air = zenith + (horizon - zenith) * down ** dice.uniform(0.6, 1.6)  # (S, 3)
    sky = np.repeat(air, size, axis=0).reshape(size, size, 3)
    cover, relief = _clouds(dice, size)
    sky += cover * (horizon * 0.5 + dice.uniform(90, 125) + relief - sky)
    if dice.random() < 0.15:
        hills = 0.02 * np.sin(dice.uniform(2, 9) * down.T) + 0.01 * np.sin(dice.uniform(15, 40) * down.T)
        ridge = dice.uniform(0.82, 0.97) + hills  # (1, S)
        land = np.clip((down - ridge) * size + 0.5, 0, 1)[..., None]
        sky += land * (horizon * dice.uniform(0.25, 0.6) - sky)
    return sky


def _clouds(dice: Random, size: int) -> tuple[Floats, Floats]:
    """Draw the cover in 0..1, and its light and shade in grey levels: two (size, size, 3) arrays of grey."""
    grids = [Image.frombytes("L", (cells, cells), dice.randbytes(cells * cells)) for cells in CLOUD_GRIDS]
    field = grids[0]
    for grid, share in zip(grids[1:], FINER, strict=True):
        field = Image.blend(field.resize(grid.size, Image.Resampling.BICUBIC), grid, share)
    # The same clouds twice, the second time a little higher: the difference gives light and shade.
    side = field.width
    here, above = (
        np.asarray(field.resize((size, size), Image.Resampling.BICUBIC, box).convert("RGB"), np.float32)
        for box in ((0, 1, side, side), (0, 0, side, side - 1))
    )
    threshold, softness = dice.uniform(90, 210), dice.uniform(30, 90)
    return np.clip((here - threshold) / softness, 0, 1), (here - above) * 0.6


def _airplane(dice: Random) -> list[BodyPart]:
    span, sweep, root = dice.uniform(0.42, 0.55), dice.uniform(0.08, 0.30), dice.uniform(0.08, 0.16)
    chord, tip, dihedral = dice.uniform(0.14, 0.20), dice.uniform(0.04, 0.07), dice.uniform(0.0, 0.07)
    parts = [
        _tube(MAIN, FUSELAGE, dice.uniform(0.85, 1.2)),
        BodyPart(TRIM, [(-0.32, 0, 0.04), (-0.45, 0, 0.21), (-0.52, 0, 0.21), (-0.47, 0, 0.03)]),
    ]
    has_engines, out = dice.random() < 0.65, dice.uniform(0.3, 0.45)
    end = root - sweep
    for left in (-1, 1):
        y = left * span
        wing = [(root, 0, -0.03), (end, y, dihedral), (end - tip, y, dihedral), (root - chord, 0, -0.03)]
        aft = left * 0.19
        tailplane = [(-0.36, 0, 0.03), (-0.45, aft, 0.04), (-0.50, aft, 0.04), (-0.46, 0, 0.03)]
        parts += [BodyPart(SECOND, wing), BodyPart(SECOND, tailplane)]
        if has_engines:
            parts.append(_tube(TRIM, ENGINE, at=(root - 0.05 - sweep * out, out * y, -0.06)))
    if dice.random() < 0.1:
        parts.append(_tube(TRAIL, CONTRAIL))
    return parts


def _bird(dice: Random) -> list[BodyPart]:
    span, chord, sweep = dice.uniform(0.48, 0.66), dice.uniform(0.8, 1.15), dice.uniform(-0.05, 0.15)
    lift, bend = dice.uniform(-0.5, 0.9), dice.uniform(-1.3, 0.3)  # radians: at the shoulder, on to the tip
    spread = dice.uniform(0.6, 1.3)
    parts = [
        BodyPart(SECOND, [(x, y * spread, 0.02) for x, y in zip(*FAN, strict=True)]),
        _tube(MAIN, BODY, dice.uniform(0.85, 1.1)),
        _tube(TRIM, BEAK),
    ]
    edges: list[list[Point]] = [[], [], []]  # leading, roots of the feathers, trailing
    y, z, reached = 0.0, 0.02, 0.0
    for share, *xs in zip(*WING, strict=True):
        y += cos(lift + bend * share) * (share - reached) * span
        z += sin(lift + bend * share) * (share - reached) * span
        reached = share
        for edge, x in zip(edges, xs, strict=True):
            edge.append((x * chord - sweep * share, y, z))
    for rows in (slice(0, WRIST + 1), slice(WRIST, None)):
        lead, root, trail = (edge[rows] for edge in edges)
        for paint, outline in ((SECOND, lead + trail[::-1]), (MAIN, lead + root[::-1])):
            parts += [BodyPart(paint, outline), BodyPart(paint, [(x, -y, z) for x, y, z in outline])]
    return parts


def _tube(paint: int, stations: Stations, girth: float = 1.0, at: Point = (0, 0, 0)) -> BodyPart:
    along, height, radii = stations
    points = [(at[0] + x, at[1], at[2] + z) for x, z in zip(along, height, strict=True)]
    return BodyPart(paint, points, tuple(radius * girth for radius in radii))


def _attitude(dice: Random) -> NDArray[np.float64]:
    """Draw the rotation from a subject's axes to the picture's (right, down, to the viewer): (3, 3)."""
    bank, heading = dice.uniform(-0.5, 0.5), dice.uniform(-0.7, 0.7) + dice.choice((0, pi))
    below, climb = dice.uniform(0.0, pi / 2), dice.uniform(-1.25, 1.25)
    (cb, sb), (ch, sh), (ce, se), (cc, sc) = ((cos(a), sin(a)) for a in (bank, heading, below, climb))
    flown = np.array([[ch, -sh * cb, sh * sb], [sh, ch * cb, -ch * sb], [0, sb, cb]])  # banked, then turned
    # The view is from the side at 0 and from below at pi / 2; then the picture is tilted.
    seen = np.array([[cc, -sc * se, sc * ce], [sc, cc * se, -cc * ce], [0, -ce, -se]])
    rotation: NDArray[np.float64] = seen @ flown
    return rotation


def _paint(dice: Random, parts: list[BodyPart], size: int) -> Image.Image:
    """Paint only the subject: (size, size), RGB times coverage, with the coverage as the fourth band."""
    brightness = dice.uniform(0.88, 1.05)
    palette = [*(dice.choice(DARK + BRIGHT) for _ in range(3)), VAPOUR]
    side = size * SUPERSAMPLE
    points = np.array([point for part in parts for point in part.points]) @ _attitude(dice).T
    solid = points[: len(points) - len(parts[-1].points)] if parts[-1].paint == TRAIL else points
    low, high = solid.min(axis=0), solid.max(axis=0)
    extent = dice.uniform(0.55, 0.92)  # of the frame
    scale = extent * side / float((high - low)[:2].max())
    place = [side * (0.5 + dice.uniform(-0.5, 0.5) * (1.08 - extent)) for _ in range(2)]
    corners = ((points - (low + high) / 2) * scale + [*place, 0]).tolist()
    shapes = []
    for part in parts:
        own, corners = corners[: len(part.points)], corners[len(part.points) :]
        shapes.append((part.paint != TRAIL, sum(z for _, _, z in own) / len(own), part, own))
    canvas = Image.new("RGBX", (side, side))
    pen = ImageDraw.Draw(canvas)
    for _, _, part, own in sorted(shapes, key=lambda shape: shape[:2]):
        coverage = 0.45 if part.paint == TRAIL else 1.0
        red, green, blue = palette[part.paint]
        for outline, light in _round(own, part.radii, scale) if part.radii else _flat(own):
            lit = light * brightness * coverage
            ink = (int(red * lit), int(green * lit), int(blue * lit), int(255 * coverage))
            pen.polygon(outline, fill=ink)
    return canvas.reduce(SUPERSAMPLE)


Surface = tuple[list[tuple[float, float]], float]  # an outline in the picture, and its brightness


def _flat(corners: list[Point]) -> list[Surface]:
    (x0, y0, z0), (x1, y1, z1), (x2, y2, z2) = corners[0], corners[1], corners[-1]
    ax, ay, az, bx, by, bz = x1 - x0, y1 - y0, z1 - z0, x2 - x0, y2 - y0, z2 - z0
    nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    length = hypot(nx, ny, nz) or 1.0
    toward_sun = (nx * SUN[0] + ny * SUN[1] + nz * SUN[2]) / length * (1 if nz > 0 else -1)  # the side we see
    return [([(x, y) for x, y, _ in corners], 0.72 + 0.27 * toward_sun)]


def _round(axis: list[Point], radii: Row, scale: float) -> list[Surface]:
    """Return a dark, a middle and a light surface, each narrower and nearer to the sun than the last."""
    ax, ay = axis[0][0] - axis[-1][0], axis[0][1] - axis[-1][1]
    across = scale / (hypot(ax, ay) or 1.0) * (1 if ax * SUN[1] > ay * SUN[0] else -1)  # to the lit side
    rims = [(x, y, -ay * across * r, ax * across * r) for (x, y, _), r in zip(axis, radii, strict=True)]
    surfaces = []
    for near, far, light in TONES:
        lit = [(x + dx * near, y + dy * near) for x, y, dx, dy in rims]
        dark = [(x + dx * far, y + dy * far) for x, y, dx, dy in reversed(rims)]
        surfaces.append((lit + dark, light))
    return surfaces
