// The rotation nearest to a 3x3 matrix, in registers.
//
// One-sided Jacobi: columns of M are turned in pairs until they are orthogonal, M V = U S. Each pair ends orthogonal to
// the last digit relative to its own lengths, so small singular values keep their directions, and repeated ones need no
// care. Indices are constants once loops are unrolled: all of it stays in registers.
#pragma once

typedef double Columns[3][3];  // [column][row]

__device__ __forceinline__ double dot(const double* a, const double* b) {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

__device__ __forceinline__ void cross(const double* a, const double* b, double* c) {
    c[0] = a[1] * b[2] - a[2] * b[1];
    c[1] = a[2] * b[0] - a[0] * b[2];
    c[2] = a[0] * b[1] - a[1] * b[0];
}

template <int A, int B>
__device__ __forceinline__ bool turn_pair(Columns& m, Columns& v) {
    double aa = dot(m[A], m[A]), bb = dot(m[B], m[B]), ab = dot(m[A], m[B]);
    if (ab * ab <= 1e-31 * aa * bb) return false;
    double half = (bb - aa) / (2 * ab);
    double t = 1 / (fabs(half) + sqrt(1 + half * half));
    t = half < 0 ? -t : t;
    double c = 1 / sqrt(1 + t * t), s = c * t;
#pragma unroll
    for (int i = 0; i < 3; i++) {
        double a = m[A][i], b = m[B][i];
        m[A][i] = c * a - s * b;
        m[B][i] = s * a + c * b;
        a = v[A][i], b = v[B][i];
        v[A][i] = c * a - s * b;
        v[B][i] = s * a + c * b;
    }
    return true;
}

template <int A, int B>
__device__ __forceinline__ void order_pair(Columns& m, Columns& v, double* square) {
    if (square[A] >= square[B]) return;
    double kept = square[A];
    square[A] = square[B], square[B] = kept;
#pragma unroll
    for (int i = 0; i < 3; i++) {
        kept = m[A][i], m[A][i] = m[B][i], m[B][i] = kept;
        kept = v[A][i], v[A][i] = v[B][i], v[B][i] = kept;
    }
}

template <int A, int B>
__device__ __forceinline__ void subtract(Columns& m, double times) {
#pragma unroll
    for (int i = 0; i < 3; i++) m[A][i] -= times * m[B][i];
}

template <int A>
__device__ __forceinline__ void divide(Columns& m, double by) {
#pragma unroll
    for (int i = 0; i < 3; i++) m[A][i] /= by;
}

// From the columns of a finite M to U (in its place), V and signed singular values with R = U V^T the rotation that
// maximises <R, M>: of determinant 1, the last singular value below 0 for mirrored poses; or of any determinant, with
// `reflections`. Where M is zero along an axis or more, one of the rotations that are equally good; identity for M = 0.
__device__ __forceinline__ void decompose(Columns& m, Columns& v, double* singular, bool reflections) {
    double most = 0;
#pragma unroll
    for (int c = 0; c < 3; c++)
#pragma unroll
        for (int i = 0; i < 3; i++) {
            most = larger(most, fabs(m[c][i]));
            v[c][i] = c == i;
        }
    if (most == 0) most = 1;
    divide<0>(m, most);
    divide<1>(m, most);
    divide<2>(m, most);
#pragma unroll 1
    for (int sweep = 0; sweep < 12; sweep++) {  // four or five are enough
        bool turned = turn_pair<0, 1>(m, v);
        turned |= turn_pair<0, 2>(m, v);
        turned |= turn_pair<1, 2>(m, v);
        if (!turned) break;
    }
    double square[3] = {dot(m[0], m[0]), dot(m[1], m[1]), dot(m[2], m[2])};
    order_pair<0, 1>(m, v, square);
    order_pair<0, 2>(m, v, square);
    order_pair<1, 2>(m, v, square);
    double across[3];
    cross(v[0], v[1], across);
    double side = dot(across, v[2]) < 0 ? -1 : 1;  // exchanged columns may have left V mirrored
    double last[3] = {side * m[2][0], side * m[2][1], side * m[2][2]};
#pragma unroll
    for (int i = 0; i < 3; i++) v[2][i] = across[i];

    bool first_known = square[0] > 1e-200, second_known = square[1] > 1e-200;  // of numbers up to 1: others are 0
    singular[0] = first_known ? sqrt(square[0]) : 0;
    singular[1] = second_known ? sqrt(square[1]) : 0;
    if (first_known) {
        divide<0>(m, singular[0]);
    } else {
#pragma unroll
        for (int i = 0; i < 3; i++) m[0][i] = v[0][i], m[1][i] = v[1][i];
    }
    if (first_known && !second_known) {  // any direction across: off the axis that the first one leans to least
        double x = fabs(m[0][0]), y = fabs(m[0][1]), z = fabs(m[0][2]);
        m[1][0] = x <= y && x <= z;
        m[1][1] = y < x && y <= z;
        m[1][2] = z < x && z < y;
    }
    subtract<1, 0>(m, dot(m[0], m[1]));
    divide<1>(m, sqrt(dot(m[1], m[1])));
    cross(m[0], m[1], m[2]);
    singular[2] = dot(m[2], last);
    if (reflections && singular[2] < 0) {
        singular[2] = -singular[2];
        divide<2>(m, -1);
    }
#pragma unroll
    for (int c = 0; c < 3; c++) singular[c] *= most;
}
