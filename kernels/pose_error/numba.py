"""Alignment on the processor, compiled by numba: one pose after another in registers, float64 inside.

The batched decomposition of PyTorch calls LAPACK once a pose and walks over the batch again for every step around it;
here a pose is read once. Importing this module imports numba, and the first call of a process loads the compiled code
from numba's cache or makes it (seconds, once a machine). The 3x3 problem is solved as in `rotation.cuh`: one-sided
Jacobi, in which repeated and vanishing singular values need no care.
"""

import numba
import numpy as np

from turncoat.kernels.processor import compiled, in_parts

_CHUNK = 2048  # poses that are worth a thread


def procrustes(
    prediction: np.ndarray, target: np.ndarray, *, reflections: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """See `turncoat.kernels.pose_error.procrustes`; results have the poses' own type."""
    count, dtype = len(prediction), prediction.dtype
    aligned = np.empty(prediction.shape, dtype)
    scale, rotation = np.empty(count, dtype), np.empty((count, 3, 3), dtype)
    _run(prediction, target, reflections, aligned, scale, rotation, np.empty(0, dtype))
    return aligned, scale, rotation


def pa_mpjpe(prediction: np.ndarray, target: np.ndarray, *, reflections: bool = False) -> np.ndarray:
    """See `turncoat.kernels.pose_error.pa_mpjpe`; the result has the poses' own type."""
    dtype = prediction.dtype
    error = np.empty(len(prediction), dtype)
    nothing = np.empty((0, 3, 3), dtype)
    _run(prediction, target, reflections, nothing, np.empty(0, dtype), nothing, error)
    return error


def _run(prediction: np.ndarray, target: np.ndarray, reflections: bool, *results: np.ndarray) -> None:
    """Fill the results that are not empty, on as many threads as PyTorch uses, without the interpreter's lock."""
    p, g = np.ascontiguousarray(prediction), np.ascontiguousarray(target)

    def work(part: slice) -> None:
        _align(p[part], g[part], reflections, *[one[part] if len(one) else one for one in results])

    in_parts(work, len(p), _CHUNK)


@numba.njit(error_model="numpy")
def _turn(a, b, v, w):  # type: ignore[no-untyped-def]  # numba infers them
    """Columns a and b of M, v and w of V, turned until a and b are orthogonal; and whether they were."""
    aa = a[0] * a[0] + a[1] * a[1] + a[2] * a[2]
    bb = b[0] * b[0] + b[1] * b[1] + b[2] * b[2]
    ab = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    if ab * ab <= 1e-31 * aa * bb:
        return a, b, v, w, True
    half = (bb - aa) / (2 * ab)
    t = 1 / (abs(half) + np.sqrt(1 + half * half))
    if half < 0:
        t = -t
    c = 1 / np.sqrt(1 + t * t)
    s = c * t
    return (
        (c * a[0] - s * b[0], c * a[1] - s * b[1], c * a[2] - s * b[2]),
        (s * a[0] + c * b[0], s * a[1] + c * b[1], s * a[2] + c * b[2]),
        (c * v[0] - s * w[0], c * v[1] - s * w[1], c * v[2] - s * w[2]),
        (s * v[0] + c * w[0], s * v[1] + c * w[1], s * v[2] + c * w[2]),
        False,
    )


@numba.njit(error_model="numpy")
def _cross(a, b):  # type: ignore[no-untyped-def]
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@numba.njit(error_model="numpy")
def _dot(a, b):  # type: ignore[no-untyped-def]
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@numba.njit(error_model="numpy")
def _divided(a, by):  # type: ignore[no-untyped-def]
    return a[0] / by, a[1] / by, a[2] / by


@numba.njit(error_model="numpy")
def _row(i, a, b, c, u, v, w):  # type: ignore[no-untyped-def]
    """Row i of the rotation with those columns of U and V."""
    return (
        a[i] * u[0] + b[i] * v[0] + c[i] * w[0],
        a[i] * u[1] + b[i] * v[1] + c[i] * w[1],
        a[i] * u[2] + b[i] * v[2] + c[i] * w[2],
    )


@numba.njit(error_model="numpy")
def _decompose(a, b, c, reflections):  # type: ignore[no-untyped-def]
    """Columns of a finite M -> U, V by columns and the sum of singular values, see `decompose` of rotation.cuh."""
    most = max(abs(a[0]), abs(a[1]), abs(a[2]), abs(b[0]), abs(b[1]), abs(b[2]), abs(c[0]), abs(c[1]), abs(c[2]))
    if most == 0:
        most = 1.0
    a, b, c = _divided(a, most), _divided(b, most), _divided(c, most)
    u, v, w = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
    for _ in range(12):
        a, b, u, v, first = _turn(a, b, u, v)
        a, c, u, w, second = _turn(a, c, u, w)
        b, c, v, w, third = _turn(b, c, v, w)
        if first and second and third:
            break
    if _dot(a, a) < _dot(b, b):
        a, b, u, v = b, a, v, u
    if _dot(a, a) < _dot(c, c):
        a, c, u, w = c, a, w, u
    if _dot(b, b) < _dot(c, c):
        b, c, v, w = c, b, w, v
    across = _cross(u, v)
    side = -1.0 if _dot(across, w) < 0 else 1.0  # exchanged columns may have left V mirrored
    largest, middle = np.sqrt(_dot(a, a)), np.sqrt(_dot(b, b))
    if largest <= 1e-100:  # of numbers up to 1: M is zero
        return u, v, _cross(u, v), u, v, across, 0.0
    a = _divided(a, largest)
    if middle <= 1e-100:  # any direction across: off the axis that the first one leans to least
        middle = 0.0
        x, y, z = abs(a[0]), abs(a[1]), abs(a[2])
        if x <= y and x <= z:
            b = (1.0, 0.0, 0.0)
        elif y <= z:
            b = (0.0, 1.0, 0.0)
        else:
            b = (0.0, 0.0, 1.0)
    along = _dot(a, b)
    b = (b[0] - along * a[0], b[1] - along * a[1], b[2] - along * a[2])
    b = _divided(b, np.sqrt(_dot(b, b)))
    last = _cross(a, b)
    smallest = side * _dot(last, c)
    if reflections and smallest < 0:
        smallest, last = -smallest, _divided(last, -1.0)
    return a, b, last, u, v, across, most * (largest + middle + smallest)


@compiled
def _align(p, g, reflections, aligned, scale, rotation, error):  # type: ignore[no-untyped-def]
    """Poses (B, J, 3) twice; results that are not empty are filled."""
    poses, joints, _ = p.shape
    for n in range(poses):
        x0, y0, z0 = np.float64(p[n, 0, 0]), np.float64(p[n, 0, 1]), np.float64(p[n, 0, 2])
        i0, j0, k0 = np.float64(g[n, 0, 0]), np.float64(g[n, 0, 1]), np.float64(g[n, 0, 2])
        mx = my = mz = mi = mj = mk = 0.0
        for t in range(joints):  # from the first joint on: joints in one place are found in exactly one place
            mx += p[n, t, 0] - x0
            my += p[n, t, 1] - y0
            mz += p[n, t, 2] - z0
            mi += g[n, t, 0] - i0
            mj += g[n, t, 1] - j0
            mk += g[n, t, 2] - k0
        mx, my, mz = mx / joints + x0, my / joints + y0, mz / joints + z0
        mi, mj, mk = mi / joints + i0, mj / joints + j0, mk / joints + k0
        xi = xj = xk = yi = yj = yk = zi = zj = zk = square = 0.0
        for t in range(joints):
            x, y, z = p[n, t, 0] - mx, p[n, t, 1] - my, p[n, t, 2] - mz
            i, j, k = g[n, t, 0] - mi, g[n, t, 1] - mj, g[n, t, 2] - mk
            square += x * x + y * y + z * z
            xi += x * i
            xj += x * j
            xk += x * k
            yi += y * i
            yj += y * j
            yk += y * k
            zi += z * i
            zj += z * j
            zk += z * k
        spoilt = square - square + (xi + xj + xk + yi + yj + yk + zi + zj + zk) * 0.0
        if spoilt != 0:  # NaN: a number is not finite, or a product of them overflowed
            if len(scale):
                aligned[n], scale[n], rotation[n] = np.nan, np.nan, np.nan
            if len(error):
                error[n] = np.nan
            continue
        a, b, c, u, v, w, total = _decompose((xi, xj, xk), (yi, yj, yk), (zi, zj, zk), reflections)
        by = total / (square if square > 0 else 1.0)
        ix, iy, iz = _row(0, a, b, c, u, v, w)
        jx, jy, jz = _row(1, a, b, c, u, v, w)
        kx, ky, kz = _row(2, a, b, c, u, v, w)
        if len(scale):
            scale[n] = by
            rotation[n, 0, 0], rotation[n, 0, 1], rotation[n, 0, 2] = ix, iy, iz
            rotation[n, 1, 0], rotation[n, 1, 1], rotation[n, 1, 2] = jx, jy, jz
            rotation[n, 2, 0], rotation[n, 2, 1], rotation[n, 2, 2] = kx, ky, kz
        mean = 0.0
        for t in range(joints):
            x, y, z = p[n, t, 0] - mx, p[n, t, 1] - my, p[n, t, 2] - mz
            i = by * (ix * x + iy * y + iz * z) + mi
            j = by * (jx * x + jy * y + jz * z) + mj
            k = by * (kx * x + ky * y + kz * z) + mk
            if len(scale):
                aligned[n, t, 0], aligned[n, t, 1], aligned[n, t, 2] = i, j, k
            i, j, k = i - g[n, t, 0], j - g[n, t, 1], k - g[n, t, 2]
            mean += np.sqrt(i * i + j * j + k * k)
        if len(error):
            error[n] = mean / joints
