"""Procedural surfaces: colours as functions of the place on a solid (mm), for the backgrounds of the studio dataset.

Each function here returns a texture, `(points (N, 3), normals (N, 3), half extents (3,)) -> (N, 3) float32`. Randomness
is a hash of integer cell numbers, so a surface looks the same from every camera and on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from turncoat.training.data.studio.raycast import Texture

Colour = tuple[float, float, float]


def rgb(code: str) -> Colour:
    """'c8a070' -> (0.78, 0.63, 0.44)."""
    return tuple(int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))  # type: ignore[return-value]


def place(p: np.ndarray, n: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Surface coordinates in mm: u along the face, v up from the solid's foot (on level faces: along z)."""
    axis = np.argmax(np.abs(n), axis=1)
    u = np.where(axis == 0, -np.sign(n[:, 0]) * p[:, 2], np.where(axis == 2, np.sign(n[:, 2]) * p[:, 0], p[:, 0]))
    v = np.where(axis == 1, p[:, 2], p[:, 1] + np.float32(half[1]))
    return u.astype(np.float32), v.astype(np.float32)


def chance(seed: int, *cells: np.ndarray) -> np.ndarray:
    """A number in [0, 1) for every cell (integer arrays), always the same one."""
    h = np.full(1, (seed * 0x9E3779B1 + 0x7F4A7C15) & 0xFFFFFFFF, dtype=np.uint32)
    for c in cells:
        h = (h ^ np.asarray(c).astype(np.int64).astype(np.uint32)) * np.uint32(0x85EBCA6B)
        h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
        h = h ^ (h >> np.uint32(16))
    return np.asarray((h >> np.uint32(8)).astype(np.float32) / np.float32(1 << 24))


def smooth_noise(u: np.ndarray, v: np.ndarray, seed: int) -> np.ndarray:
    """Value noise in [-1, 1] with cells of size 1."""
    iu, iv = np.floor(u), np.floor(v)
    a, b = u - iu, v - iv
    a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
    corners = [chance(seed, iu + i, iv + j) for j in (0, 1) for i in (0, 1)]
    low = corners[0] * (1 - a) + corners[1] * a
    high = corners[2] * (1 - a) + corners[3] * a
    return 2 * (low * (1 - b) + high * b) - 1


def _paint(code: str) -> np.ndarray:
    """'c8a070' as (3,) float32."""
    return np.array(rgb(code), dtype=np.float32)


def _tint(colour: Colour | np.ndarray, tone: np.ndarray) -> np.ndarray:
    return (np.asarray(colour, dtype=np.float32) * tone[:, None]).astype(np.float32)


def _pick(colours: Sequence[Colour], share: np.ndarray) -> np.ndarray:
    table = np.array(colours, dtype=np.float32)
    return table[np.minimum((share * len(table)).astype(np.int64), len(table) - 1)]


def plain(colour: str, mottle: float = 0.02, seed: int = 0) -> Texture:
    """One colour with a faint large-scale unevenness (paint, plaster, plastic)."""

    def texture(p: np.ndarray, n: np.ndarray, half: np.ndarray) -> np.ndarray:
        u, v = place(p, n, half)
        return _tint(rgb(colour), 1 + mottle * smooth_noise(u / 420, v / 420, seed))

    return texture


def cloth(colour: str, seed: int = 0) -> Texture:
    """Woven upholstery: fine mottling on a colour."""

    def texture(p: np.ndarray, n: np.ndarray, half: np.ndarray) -> np.ndarray:
        u, v = place(p, n, half)
        return _tint(rgb(colour), 1 + 0.05 * smooth_noise(u / 60, v / 60, seed) + 0.04 * smooth_noise(u / 9, v / 9, 1))

    return texture


def wood(colour: str, seed: int = 0, upright: bool = False) -> Texture:
    """Grain along the surface (or upwards)."""

    def texture(p: np.ndarray, n: np.ndarray, half: np.ndarray) -> np.ndarray:
        u, v = place(p, n, half)
        if upright:
            u, v = v, u
        grain = smooth_noise(u / 500, v / 28 + smooth_noise(u / 350, v / 120, seed), seed + 1)
        return _tint(rgb(colour), 1 + 0.09 * grain + 0.03 * smooth_noise(u / 90, v / 9, seed + 2))

    return texture


def planks(colours: Sequence[str], width: float = 150, length: float = 1500, across: bool = False) -> Texture:
    """Boards of varying tone with staggered ends and thin dark joints."""
    table = [rgb(c) for c in colours]

    def texture(p: np.ndarray, n: np.ndarray, half: np.ndarray) -> np.ndarray:
        u, v = place(p, n, half)
        if across:
            u, v = v, u
        row = np.floor(v / width)
        along = u / length + 7 * chance(3, row)
        cell = np.floor(along)
        tone = 0.93 + 0.14 * chance(5, row, cell) + 0.05 * smooth_noise(u / 300, v / 22 + 9 * row, 6)
        gap_v = np.abs(v / width - row - 0.5) > 0.5 - 4 / width
        gap_u = np.abs(along - cell - 0.5) > 0.5 - 4 / length
        return _pick(table, chance(4, row, cell)) * np.where(gap_u | gap_v, 0.62, tone)[:, None].astype(np.float32)

    return texture


def bricks(colours: Sequence[str], mortar: str, width: float = 240, height: float = 80) -> Texture:
    """Running bond; mortar 12 mm."""
    table = [rgb(c) for c in colours]

    def texture(p: np.ndarray, n: np.ndarray, half: np.ndarray) -> np.ndarray:
        u, v = place(p, n, half)
        row = np.floor(v / height)
        along = u / width + 0.5 * (row % 2)
        cell = np.floor(along)
        joint = (np.abs(v / height - row - 0.5) > 0.5 - 7 / height) | (np.abs(along - cell - 0.5) > 0.5 - 7 / width)
        tone = 0.92 + 0.16 * chance(11, row, cell) + 0.05 * smooth_noise(u / 40, v / 40, 12)
        brick = _pick(table, chance(13, row, cell)) * tone[:, None]
        return np.where(joint[:, None], _paint(mortar), brick).astype(np.float32)

    return texture


def tiles(colours: Sequence[str], grout: str, size: float, height: float = 0, checker: bool = False) -> Texture:
    """Tiles of `size` (x `height`); either a chequerboard of two colours or colours at random."""
    table = [rgb(c) for c in colours]
    tall = height or size

    def texture(p: np.ndarray, n: np.ndarray, half: np.ndarray) -> np.ndarray:
        u, v = place(p, n, half)
        i, j = np.floor(u / size), np.floor(v / tall)
        share = ((i + j) % 2) / 2 + 0.1 if checker else chance(21, i, j)
        joint = (np.abs(u / size - i - 0.5) > 0.5 - 4 / size) | (np.abs(v / tall - j - 0.5) > 0.5 - 4 / tall)
        tone = 0.97 + 0.06 * chance(22, i, j) + 0.03 * smooth_noise(u / 130, v / 130, 23)
        return np.where(joint[:, None], _paint(grout), _pick(table, share) * tone[:, None]).astype(np.float32)

    return texture


def flagstones(colours: Sequence[str], joint: str, size: float = 620) -> Texture:
    """Paving: rows of stones whose widths vary, with worn surfaces."""
    table = [rgb(c) for c in colours]

    def texture(p: np.ndarray, n: np.ndarray, half: np.ndarray) -> np.ndarray:
        u, v = place(p, n, half)
        row = np.floor(v / size)
        along = u / (size * (1.0 + 0.5 * chance(31, row))) + 5 * chance(32, row)
        cell = np.floor(along)
        inside = along - cell
        split = 0.3 + 0.4 * chance(33, row, cell)
        second = inside > split
        edge = np.minimum(np.minimum(inside, 1 - inside), np.abs(inside - split)) * size
        edge = np.minimum(edge, (0.5 - np.abs(v / size - row - 0.5)) * size)
        tone = 0.93 + 0.12 * chance(34, row, 2 * cell + second) + 0.05 * smooth_noise(u / 110, v / 110, 35)
        stone = _pick(table, chance(36, row, 2 * cell + second)) * tone[:, None]
        return np.where(edge[:, None] < 8, _paint(joint), stone).astype(np.float32)

    return texture


def foliage(colours: Sequence[str], size: float = 70) -> Texture:
    """Leaves: small light and dark cells in all three axes."""
    table = np.array([rgb(c) for c in colours], dtype=np.float32)

    def texture(p: np.ndarray, n: np.ndarray, half: np.ndarray) -> np.ndarray:
        a = smooth_noise((p[:, 0] + 0.6 * p[:, 2]) / size, (p[:, 1] - 0.5 * p[:, 2]) / size, 41)
        b = smooth_noise((p[:, 2] - 0.6 * p[:, 0]) / size * 2, (p[:, 1] + 0.4 * p[:, 0]) / size * 2, 42)
        share = np.clip(0.5 + 0.42 * a + 0.3 * b, 0, 0.999) * (len(table) - 1)
        i = share.astype(np.int64)
        f = (share - i)[:, None]
        return (table[i] * (1 - f) + table[i + 1] * f).astype(np.float32)

    return texture


def books(palette: Sequence[str], shelf: float, seed: int = 0) -> Texture:
    """Rows of book spines every `shelf` mm, of varying height and colour, in front of a dark back."""
    table = [rgb(c) for c in palette]

    def texture(p: np.ndarray, n: np.ndarray, half: np.ndarray) -> np.ndarray:
        u, v = place(p, n, half)
        row = np.floor(v / shelf)
        slot = np.floor(u / 62)
        split = 0.35 + 0.35 * chance(51 + seed, row, slot)
        second = (u / 62 - slot) > split
        cell = 2 * slot + second
        tall = shelf * (0.62 + 0.24 * chance(52 + seed, row, np.floor(slot / 3)) + 0.06 * chance(53, row, cell))
        height = v - row * shelf
        band = (np.abs(height - 0.72 * tall) < 12) & (chance(54 + seed, row, cell) > 0.5)
        colour = _pick(table, chance(55 + seed, row, cell)) * np.where(band, 1.25, 1.0)[:, None]
        empty = (height > tall) | (chance(56 + seed, row, np.floor(slot / 3)) > 0.9)
        return np.where(empty[:, None], _paint("4a3f36"), np.minimum(colour, 1)).astype(np.float32)

    return texture


def stripes(colours: Sequence[str], width: float, upright: bool = True, gap: float = 0) -> Texture:
    """Equal stripes, upright or level; `gap` mm of a darker joint between them (panelling, slats)."""
    table = [rgb(c) for c in colours]

    def texture(p: np.ndarray, n: np.ndarray, half: np.ndarray) -> np.ndarray:
        u, v = place(p, n, half)
        s = (u if upright else v) / width
        cell = np.floor(s)
        dark = np.abs(s - cell - 0.5) > 0.5 - gap / width / 2
        colour = np.array(table, dtype=np.float32)[np.mod(cell, len(table)).astype(np.int64)]
        tone = np.where(dark, 0.6, 1 + 0.03 * smooth_noise(u / 200, v / 200, 61)) if gap else 1 + 0 * s
        return (colour * tone[:, None]).astype(np.float32)

    return texture


def banded(height: float, low: Texture, high: Texture, rail: str = "", thick: float = 40) -> Texture:
    """`low` below `height` mm above the solid's foot, `high` above it, a rail between them."""

    def texture(p: np.ndarray, n: np.ndarray, half: np.ndarray) -> np.ndarray:
        v = p[:, 1] + half[1]
        out = np.where((v < height)[:, None], low(p, n, half), high(p, n, half))
        return np.where((np.abs(v - height) < thick)[:, None], _paint(rail), out) if rail else out

    return texture


def room(floor: Texture, ceiling: Texture, north: Texture, east: Texture, south: Texture, west: Texture) -> Texture:
    """A texture for each face of a ROOM. North is -z, east +x."""
    faces = ((1, 1, floor), (1, -1, ceiling), (2, 1, north), (0, -1, east), (2, -1, south), (0, 1, west))

    def texture(p: np.ndarray, n: np.ndarray, half: np.ndarray) -> np.ndarray:
        out = np.zeros(p.shape, dtype=np.float32)
        for axis, sign, face in faces:
            rows = np.flatnonzero(n[:, axis] * sign > 0.5)
            if rows.size:
                out[rows] = face(p[rows], n[rows], half)
        return out

    return texture


def rug(colours: Sequence[str], kind: str = "border") -> Texture:
    """A rug on the floor: nested borders, stripes or rings in mm from the solid's centre."""
    table = np.array([rgb(c) for c in colours], dtype=np.float32)

    def texture(p: np.ndarray, n: np.ndarray, half: np.ndarray) -> np.ndarray:
        x, z = p[:, 0], p[:, 2]
        edge = np.minimum(half[0] - np.abs(x), half[2] - np.abs(z))
        if kind == "rings":
            s = np.hypot(x, z) / 260
        elif kind == "stripes":
            s = (x + half[0]) / 170
        else:
            diamond = np.mod(np.abs(np.mod(x, 480) - 240) + np.abs(np.mod(z, 480) - 240), 240) / 120
            s = np.where(edge < 110, 2, np.where(edge < 160, 3, np.floor(diamond)))
        colour = table[np.mod(np.floor(s), len(table)).astype(np.int64)]
        return _tint(colour, 1 + 0.06 * smooth_noise(x / 16, z / 16, 71) + 0.04 * smooth_noise(x / 150, z / 150, 72))

    return texture


def sky(top: str, low: str, far: str, land: str) -> Texture:
    """Through a window or over a wall: a sky with soft clouds, hills and land; in units of the solid's height."""

    def texture(p: np.ndarray, n: np.ndarray, half: np.ndarray) -> np.ndarray:
        u, v = place(p, n, half)
        h = v / (2 * half[1])
        s = u / (2 * half[1])
        t = np.clip((h - 0.3) / 0.7, 0, 1)[:, None]
        cloud = smooth_noise(s * 2.2, h * 5, 81) * 0.6 + smooth_noise(s * 5, h * 11, 82) * 0.4
        out = _paint(low) * (1 - t) + _paint(top) * t
        out = out + np.clip(cloud - 0.1, 0, 1)[:, None] * 0.35 * (1 - out)
        hill = 0.34 + 0.06 * smooth_noise(s * 3, 0 * s, 83) + 0.02 * smooth_noise(s * 11, 0 * s, 84)
        out = np.where((h < hill)[:, None], _paint(far), out)
        near = 0.2 + 0.05 * smooth_noise(s * 4 + 9, 0 * s, 85) + 0.03 * smooth_noise(s * 17, 0 * s, 86)
        return np.where((h < near)[:, None], _paint(land), out).astype(np.float32)

    return texture


def art(kind: str, colours: Sequence[str]) -> Texture:
    """A picture on a wall: 'sun', 'hills', 'blocks', 'circles', 'leaf' or 'lanes', in three to five colours."""
    c = np.array([rgb(code) for code in colours], dtype=np.float32)

    def texture(p: np.ndarray, n: np.ndarray, half: np.ndarray) -> np.ndarray:
        u, v = place(p, n, half)
        x, y = u / half[0], v / half[1] - 1
        out = np.broadcast_to(c[0], p.shape).copy()
        if kind == "sun":
            out[np.hypot(x, (y - 0.15) * half[1] / half[0]) < 0.55] = c[1]
            out[y < -0.25 + 0.1 * np.sin(3 * x)] = c[2]
            out[y < -0.6 + 0.12 * np.sin(4 * x + 2)] = c[3 % len(c)]
        elif kind == "hills":
            for i in range(1, len(c)):
                out[y < 0.5 - 0.45 * i + 0.25 * np.sin((1.5 + i) * x + 2 * i)] = c[i]
        elif kind == "blocks":
            out[(x > -0.2) & (y > 0.1)] = c[1]
            out[(x < 0.35) & (y < -0.3)] = c[2]
            out[(x > 0.45) & (y < 0.0)] = c[3 % len(c)]
        elif kind == "circles":
            out[np.hypot(x + 0.3, (y - 0.3) * half[1] / half[0]) < 0.5] = c[1]
            out[np.hypot(x - 0.3, (y + 0.3) * half[1] / half[0]) < 0.62] = c[2]
            out[np.hypot(x - 0.1, (y + 0.1) * half[1] / half[0]) < 0.28] = c[3 % len(c)]
        elif kind == "leaf":
            out[np.abs(x) < 0.55 * np.cos(1.7 * y) * (0.75 + 0.25 * np.cos(14 * (y - np.abs(x) * 0.5)))] = c[1]
            out[(np.abs(x) < 0.05) & (y < 0.8)] = c[2]
        else:
            out = c[np.mod(np.floor((x + 0.6 * y + 4) * 2.2), len(c)).astype(np.int64)].copy()
        out[(np.abs(x) > 0.9) | (np.abs(y) > 1 - 0.1 * half[0] / half[1])] = _paint("f2efe8")
        return out

    return texture
