// A decoded crop into a frame, forward: see __init__.py for the formula, operators.py for the order of the kernels.
//
// Frames are read and written once, four neighbouring pixels a thread; crops come from the cache.
#include "common.cuh"
#include "sampling.cuh"
#include "types"

// Largest value of the uncropped mask in every part of a frame: partial (B, gridDim.x).
extern "C" __global__ void __launch_bounds__(256) mask_peaks(
    const Real* __restrict__ mask, const Real* __restrict__ boxes, int height, int width, int rows, int columns,
    Real* __restrict__ partial) {
    SHARED Real scratch[256];
    int64 b = blockIdx.z;
    Box<Real> box(boxes, b);
    Axis<Real> along_x(box.scale_x, box.shift_x, width, columns), along_y(box.scale_y, box.shift_y, height, rows);
    const Real* plane = mask + b * rows * columns;
    int pixels = height * width;
    Real most = -(Real)1e30;
    for (int k = 0; k < 8; k++) {
        int pixel = (blockIdx.x * 8 + k) * 256 + threadIdx.x;
        if (pixel >= pixels) break;
        int y = pixel / width, x = pixel - y * width;
        Tap<Real> tap_y = along_y.tap(along_y.position(y), false), tap_x = along_x.tap(along_x.position(x), false);
        Real value = 0;
        if (tap_x.touches() && tap_y.touches()) value = sample<Real>(plane, columns, tap_x, tap_y).value;
        if (value > most || value != value) most = value;
    }
    most = block_max<256>(most, scratch);
    if (threadIdx.x == 0) partial[b * gridDim.x + blockIdx.x] = most;
}

// The largest of the parts: peak (B,).
extern "C" __global__ void __launch_bounds__(256) peak_of(const Real* __restrict__ partial, int parts,
                                                          Real* __restrict__ peak) {
    SHARED Real scratch[256];
    Real most = -(Real)1e30;
    for (int k = threadIdx.x; k < parts; k += 256) {
        Real value = partial[(int64)blockIdx.x * parts + k];
        if (value > most || value != value) most = value;
    }
    most = block_max<256>(most, scratch);
    if (threadIdx.x == 0) peak[blockIdx.x] = most;
}

// frame = clamp(m * uncrop(rgb) + (1 - m) * background), m = uncrop(mask) / (1e-4 + peak). Without `peak` the mask is
// not divided. A box that is not usable makes its sample NaN.
extern "C" __global__ void __launch_bounds__(256) composite(
    const Real* __restrict__ rgb, const Real* __restrict__ mask, const Real* __restrict__ boxes,
    const Background* __restrict__ background, const Real* __restrict__ peak, int height, int width, int rows,
    int columns, int clamp, int aligned, Frame* __restrict__ frame, Real* __restrict__ full_mask) {
    int64 b = blockIdx.z;
    int pixels = height * width, begin = (blockIdx.x * 256 + threadIdx.x) * 4;
    if (begin >= pixels) return;
    int count = smaller(4, pixels - begin);
    Box<Real> box(boxes, b);
    Axis<Real> along_x(box.scale_x, box.shift_x, width, columns), along_y(box.scale_y, box.shift_y, height, rows);
    Real gain = peak ? (Real)1 / plus((Real)1e-4, peak[b]) : (Real)1;
    int crop = rows * columns;
    Real behind[3][4], m[4];
#pragma unroll
    for (int c = 0; c < 3; c++) load_four<Real>(background + (3 * b + c) * pixels, begin, count, aligned, behind[c]);
    int y = begin / width, x = begin - y * width;
#pragma unroll
    for (int k = 0; k < 4; k++) {
        m[k] = box.usable ? (Real)0 : not_a_number<Real>();
        Tap<Real> tap_x = along_x.tap(along_x.position(x), false), tap_y = along_y.tap(along_y.position(y), false);
        if (k < count && box.usable && tap_x.touches() && tap_y.touches()) {
            m[k] = sample<Real>(mask + b * crop, columns, tap_x, tap_y).value * gain;
#pragma unroll
            for (int c = 0; c < 3; c++) {
                Real colour = sample_repeated<Real>(rgb + (3 * b + c) * crop, rows, columns, tap_x, tap_y).value;
                behind[c][k] = blend(m[k], colour, behind[c][k]);
            }
        }
        if (!box.usable) behind[0][k] = behind[1][k] = behind[2][k] = m[k];
        if (++x == width) x = 0, y++;
    }
#pragma unroll
    for (int c = 0; c < 3; c++) {
#pragma unroll
        for (int k = 0; k < 4; k++)
            if (clamp) behind[c][k] = within(behind[c][k], (Real)0, (Real)1);
        store_four(frame + (3 * b + c) * pixels, begin, count, aligned, behind[c]);
    }
    store_four(full_mask + b * pixels, begin, count, aligned, m);
}

// frame = clamp(m * uncrop(rgb) + base) with m and base at full frame.
extern "C" __global__ void __launch_bounds__(256) paint(
    const Real* __restrict__ rgb, const Real* __restrict__ boxes, const Real* __restrict__ full_mask,
    const Background* __restrict__ base, int height, int width, int rows, int columns, int aligned,
    Frame* __restrict__ frame) {
    int64 b = blockIdx.z;
    int pixels = height * width, begin = (blockIdx.x * 256 + threadIdx.x) * 4;
    if (begin >= pixels) return;
    int count = smaller(4, pixels - begin);
    Box<Real> box(boxes, b);
    Axis<Real> along_x(box.scale_x, box.shift_x, width, columns), along_y(box.scale_y, box.shift_y, height, rows);
    int crop = rows * columns;
    Real value[3][4], m[4];
    load_four<Real>(full_mask + b * pixels, begin, count, aligned, m);
#pragma unroll
    for (int c = 0; c < 3; c++) load_four<Real>(base + (3 * b + c) * pixels, begin, count, aligned, value[c]);
    int y = begin / width, x = begin - y * width;
#pragma unroll
    for (int k = 0; k < 4; k++) {
        if (k < count && m[k] != 0 && box.usable) {
            Tap<Real> tap_x = along_x.tap(along_x.position(x), true), tap_y = along_y.tap(along_y.position(y), true);
#pragma unroll
            for (int c = 0; c < 3; c++)
                value[c][k] = plus(
                    times(m[k], sample<Real>(rgb + (3 * b + c) * crop, columns, tap_x, tap_y).value), value[c][k]);
        }
        if (++x == width) x = 0, y++;
    }
#pragma unroll
    for (int c = 0; c < 3; c++) {
#pragma unroll
        for (int k = 0; k < 4; k++)
            value[c][k] = box.usable ? within(value[c][k], (Real)0, (Real)1) : not_a_number<Real>();
        store_four(frame + (3 * b + c) * pixels, begin, count, aligned, value[c]);
    }
}
