"""The studio's rasteriser: triangles to a depth buffer, then per-sample materials and light (numba, one thread, no
fast-math).

Pixel centres are at +0.5. Every pixel has SUPERSAMPLING x SUPERSAMPLING samples. The result is linear in the material
colours: ``frame = sum_m shading_m * colour_m + rest`` with ``sum_m shading_m <= 1`` (ambient and lights sum to one).
"""

from __future__ import annotations

import numba
import numpy as np

SUPERSAMPLING = 2
MATERIAL_COUNT = 8
#: the two lights come from opposite sides: ambient and lights reach 0.82 together, so this keeps shading below 1
EXPOSURE = np.float32(1.2)
_SKIN, _HAIR, _SHIRT, _SHIRT2, _BOTTOMS, _BOTTOMS2, _SHOES, _EYES = range(8)


@numba.njit(cache=True, nogil=True)
def rasterise(points, depth, triangles, depth_buffer, triangle_id, weight_b, weight_c):  # type: ignore[no-untyped-def]
    """Z-buffer. points (n, 2) float32 in samples, depth (n,) float32 mm > 0, triangles (m, 3) int32 (front faces turn
    counter-clockwise in space) -> per sample: depth mm (inf where empty), triangle (-1), perspective-correct
    barycentric weights of corners b and c.
    """
    height, width = depth_buffer.shape
    depth_buffer[:] = np.inf
    triangle_id[:] = -1
    half = np.float32(0.5)
    for f in range(triangles.shape[0]):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        x0, y0, x1, y1, x2, y2 = points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area >= 0:  # seen from behind (image y runs down)
            continue
        first_x, last_x = (
            max(0, int(np.ceil(min(x0, x1, x2) - half))),
            min(width - 1, int(np.floor(max(x0, x1, x2) - half))),
        )
        first_y, last_y = (
            max(0, int(np.ceil(min(y0, y1, y2) - half))),
            min(height - 1, int(np.floor(max(y0, y1, y2) - half))),
        )
        if first_x > last_x or first_y > last_y:
            continue
        ia, ib, ic = 1 / depth[a], 1 / depth[b], 1 / depth[c]
        inverse = 1 / area
        for y in range(first_y, last_y + 1):
            py = np.float32(y) + half
            for x in range(first_x, last_x + 1):
                px = np.float32(x) + half
                wb = ((px - x0) * (y2 - y0) - (x2 - x0) * (py - y0)) * inverse
                wc = ((x1 - x0) * (py - y0) - (px - x0) * (y1 - y0)) * inverse
                wa = 1 - wb - wc
                if wa >= 0 and wb >= 0 and wc >= 0:
                    z = 1 / (wa * ia + wb * ib + wc * ic)
                    if z < depth_buffer[y, x]:
                        depth_buffer[y, x] = z
                        triangle_id[y, x] = f
                        weight_b[y, x] = wb * ib * z
                        weight_c[y, x] = wc * ic * z


@numba.njit(cache=True, nogil=True)
def _patterned(kind, period, share, u, v, up):  # type: ignore[no-untyped-def]
    """Whether cloth coordinates (u, v mm; up: 0 waist, 1 neck) show the second colour. Kinds: wardrobe.PATTERNS."""
    if kind == 1:
        return v / period - np.floor(v / period) < share
    if kind == 2:
        return u / period - np.floor(u / period) < share
    if kind == 3:
        a, b = np.floor(u / period * 2), np.floor(v / period * 2)
        return (a + b) - 2 * np.floor((a + b) / 2) > 0.5
    if kind == 4:
        row = np.floor(v / period)
        du = u / period + 0.5 * (row - 2 * np.floor(row / 2))
        du -= np.floor(du) + 0.5
        dv = v / period - row - 0.5
        return du * du + dv * dv < share * 0.35
    if kind == 5:
        return up * 100 > period
    if kind == 6:
        return False
    return False


@numba.njit(cache=True, nogil=True)
def _material(group, x, p, rest_x):  # type: ignore[no-untyped-def]
    """Material of a sample: triangle group, interpolated coordinates x (body.py), wardrobe parameters p, |rest x|
    beyond the hip.
    """
    arm, arm_along, leg, leg_along, foot, head, up, head_up, head_front, u, v = x
    if group == 1 or group == 2:
        return _EYES
    if group == 3:
        return _HAIR
    if group == 4:
        return _BOTTOMS2 if _patterned(p[10], p[11], p[12], u, v, up) else _BOTTOMS
    if head > 0.5:
        if head_up > p[4] or (head_front < 0.32 and head_up > 0.05):
            return _HAIR
        return _SKIN
    if arm > 0.5:
        if arm_along >= p[0]:
            return _SKIN
        return _SHIRT2 if _patterned(p[7], p[8], p[9], u, v, up) else _SHIRT
    if foot > 0.5 or (leg > 0.5 and leg_along > p[2]):
        return _SHOES
    if leg > 0.5 or up < 0:
        if leg > 0.5 and leg_along >= p[1]:
            return _SKIN
        if p[10] == 6:
            return _BOTTOMS2 if rest_x else _BOTTOMS
        return _BOTTOMS2 if _patterned(p[10], p[11], p[12], u, v, up) else _BOTTOMS
    if up > p[3]:
        return _SKIN
    return _SHIRT2 if _patterned(p[7], p[8], p[9], u, v, up) else _SHIRT


@numba.njit(cache=True, nogil=True)
def shade(  # type: ignore[no-untyped-def]
    triangle_id,
    weight_b,
    weight_c,
    triangles,
    group,
    normals,
    coordinates,
    part,
    hip_side,
    parameters,
    lights,
    ambient,
    bounds,
    shading,
    coverage,
    labels,
):
    """Samples to pixels, within ``bounds`` (x0, y0, x1, y1 in pixels; the rest is left alone).

    normals (n, 3) world; coordinates (n, 11); part (n,) uint8; hip_side (n,) bool: on the outer seam of a leg;
    lights (L, 4): direction to the light and intensity. Out: shading (8, h, w) and coverage (h, w) float32 in [0, 1],
    labels (h, w) uint8 = part << 4 | material + 1 of the most frequent sample.
    """
    s = SUPERSAMPLING
    share = np.float32(1.0 / (s * s))
    x = np.empty(coordinates.shape[1], np.float32)
    seen = np.empty(s * s, np.uint8)
    for py in range(bounds[1], bounds[3]):
        for px in range(bounds[0], bounds[2]):
            for m in range(MATERIAL_COUNT):
                shading[m, py, px] = 0
            count = 0
            for k in range(s * s):
                sy, sx = py * s + k // s, px * s + k % s
                f = triangle_id[sy, sx]
                if f < 0:
                    continue
                a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
                wb, wc = weight_b[sy, sx], weight_c[sy, sx]
                wa = np.float32(1) - wb - wc
                for j in range(x.shape[0]):
                    x[j] = wa * coordinates[a, j] + wb * coordinates[b, j] + wc * coordinates[c, j]
                nearest = a if (wa >= wb and wa >= wc) else (b if wb >= wc else c)
                m = _material(
                    group[f],
                    (x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7], x[8], x[9], x[10]),
                    parameters,
                    hip_side[nearest],
                )
                nx = wa * normals[a, 0] + wb * normals[b, 0] + wc * normals[c, 0]
                ny = wa * normals[a, 1] + wb * normals[b, 1] + wc * normals[c, 1]
                nz = wa * normals[a, 2] + wb * normals[b, 2] + wc * normals[c, 2]
                length = np.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-9)
                light = ambient * (np.float32(0.85) + np.float32(0.15) * ny / length)  # a little less from below
                for q in range(lights.shape[0]):
                    facing = (nx * lights[q, 0] + ny * lights[q, 1] + nz * lights[q, 2]) / length
                    if facing > 0:
                        light += lights[q, 3] * facing
                shading[m, py, px] += light * EXPOSURE * share
                seen[count] = np.uint8(part[nearest] << 4 | (m + 1))
                count += 1
            coverage[py, px] = count * share
            best, most = 0, 0
            for i in range(count):
                same = 0
                for j in range(count):
                    same += seen[i] == seen[j]
                if same > most:
                    most, best = same, seen[i]
            labels[py, px] = best


@numba.njit(cache=True, nogil=True)
def compose_pixels(shading, coverage, colours, background, bounds, alpha, out):  # type: ignore[no-untyped-def]
    """``out = sum_m shading_m colour_m + (1 - coverage) background`` rounded to 8 bits, within bounds; alpha =
    coverage in 8 bits.

    colours (8, 3), background (h, w, 3) float32 in [0, 1]; out (h, w, 3), alpha (h, w) uint8.
    """
    for y in range(bounds[1], bounds[3]):
        for x in range(bounds[0], bounds[2]):
            alpha[y, x] = np.uint8(coverage[y, x] * np.float32(255) + np.float32(0.5))
            if coverage[y, x] == 0:
                continue
            through = np.float32(1) - coverage[y, x]
            for k in range(3):
                value = through * background[y, x, k]
                for m in range(MATERIAL_COUNT):
                    value += shading[m, y, x] * colours[m, k]
                out[y, x, k] = np.uint8(min(np.float32(1), value) * np.float32(255) + np.float32(0.5))
