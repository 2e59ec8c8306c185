// Cropping and uncropping, and their gradients: the image's in two passes that gather, first along rows, then along
// columns (8 threads a pixel share its range: a repeated border has no slow tail); the box's from sums of blocks.
#include "common.cuh"
#include "sampling.cuh"
#include "types"

// Blocks that a multiprocessor shall hold at once: without the number, compilers spill registers to make room for more.
const int BLOCKS = sizeof(Real) == 4 ? 2 : 1;

template <typename Number>
__device__ __forceinline__ Axis<Number> axis_of(const Number* boxes, int64 b, int vertical, int inverse, int size,
                                                int pixels) {
    if (inverse) {
        Box<Number> box(boxes, b);
        return Axis<Number>(vertical ? box.scale_y : box.scale_x, vertical ? box.shift_y : box.shift_x, size, pixels);
    }
    return Axis<Number>(boxes[4 * b + vertical], boxes[4 * b + 2 + vertical], size, pixels);
}

__device__ __forceinline__ bool finite(const Real* boxes, int64 b) {
    Real sum = 0;
    for (int k = 0; k < 4; k++) sum += boxes[4 * b + k] - boxes[4 * b + k];
    return sum == 0;
}

// image (B, C, rows, columns) -> out (B, C, height, width). A box that is not finite gives NaN.
extern "C" __global__ void __launch_bounds__(256) resample(
    const Pixel* __restrict__ image, const Real* __restrict__ boxes, int channels, int rows, int columns, int height,
    int width, int border, Pixel* __restrict__ out) {
    int64 b = blockIdx.z;
    int pixels = height * width, plane = rows * columns;
    int pixel = blockIdx.x * 256 + threadIdx.x;
    if (pixel >= pixels) return;
    Axis<Real> along_x = axis_of(boxes, b, 0, 0, width, columns), along_y = axis_of(boxes, b, 1, 0, height, rows);
    int y = pixel / width, x = pixel - y * width;
    Tap<Real> tap_x = along_x.tap(along_x.position(x), border), tap_y = along_y.tap(along_y.position(y), border);
    Real nothing = finite(boxes, b) ? (Real)0 : not_a_number<Real>();
    for (int c = 0; c < channels; c++) {
        int64 at = b * channels + c;
        store(out, at * pixels + pixel, nothing + sample<Real>(image + at * plane, columns, tap_x, tap_y).value);
    }
}

// Along x: lines (B, count, size) -> out (B, count, pixels); 32 pixels and 4 lines a block.
extern "C" __global__ void __launch_bounds__(256, BLOCKS) gather_rows(
    const Pixel* __restrict__ lines, const Real* __restrict__ boxes, int count, int size, int pixels, int border,
    Real* __restrict__ out) {
    SHARED Real sums[4 * 256];
    int thread = threadIdx.x, lane = thread % 32, slot = thread / 32, i = blockIdx.x * 32 + lane;
    int64 b = blockIdx.z;
    int line = blockIdx.y * 4, here = smaller(4, count - line);
    Axis<Real> axis = axis_of(boxes, b, 0, 0, size, pixels);
    Real found[4] = {0, 0, 0, 0};
    if (i < pixels) {
        int begin, end;
        axis.range(i, i, border, &begin, &end);
        for (int k = begin + slot; k <= end; k += 8) {
            Real weight = axis.hat(axis.position(k), i, border);
            if (weight == 0) continue;
            for (int n = 0; n < here; n++) found[n] += weight * load<Real>(lines, (b * count + line + n) * size + k);
        }
    }
    for (int n = 0; n < 4; n++) sums[n * 256 + thread] = found[n];
    __syncthreads();
    if (slot >= here || i >= pixels) return;
    Real total = finite(boxes, b) ? (Real)0 : not_a_number<Real>();
    for (int k = 0; k < 8; k++) total += sums[slot * 256 + k * 32 + lane];
    out[(b * count + line + slot) * pixels + i] = total;
}

// Along y: planes (B, channels, size, columns) -> out (B, channels, pixels, columns). inverse: the box is a crop's, the
// planes are as high as the frame.
extern "C" __global__ void __launch_bounds__(256, BLOCKS) gather_columns(
    const Real* __restrict__ planes, const Real* __restrict__ boxes, int channels, int size, int pixels, int columns,
    int border, int inverse, Real* __restrict__ out) {
    SHARED Real sums[4 * 256];
    int thread = threadIdx.x, lane = thread % 32, slot = thread / 32, i = blockIdx.x * 32 + lane, j = blockIdx.y;
    int64 b = blockIdx.z;
    Axis<Real> axis = axis_of(boxes, b, 1, inverse, size, pixels);
    bool usable = inverse ? Box<Real>(boxes, b).usable : finite(boxes, b);
    int begin = 0, end = -1;
    if (usable) axis.range(j, j, border, &begin, &end);
    for (int channel = 0; channel < channels; channel += 4) {
        int here = smaller(4, channels - channel);
        Real found[4] = {0, 0, 0, 0};
        if (i < columns) {
            for (int k = begin + slot; k <= end; k += 8) {
                Real weight = axis.hat(axis.position(k), j, border);
                if (weight == 0) continue;
                for (int n = 0; n < here; n++)
                    found[n] += weight * planes[((b * channels + channel + n) * size + k) * columns + i];
            }
        }
        __syncthreads();  // the channels before may still be read
        for (int n = 0; n < 4; n++) sums[n * 256 + thread] = found[n];
        __syncthreads();
        if (slot < here && i < columns) {
            Real total = usable ? (Real)0 : not_a_number<Real>();
            for (int k = 0; k < 8; k++) total += sums[slot * 256 + k * 32 + lane];
            out[((b * channels + channel + slot) * pixels + j) * columns + i] = total;
        }
    }
}

// What every part of the result says about the box: partial (B, gridDim.x, 4), scale_x, shift_x, scale_y, shift_y.
extern "C" __global__ void __launch_bounds__(256, BLOCKS) resample_box(
    const Pixel* __restrict__ grad, const Pixel* __restrict__ image, const Real* __restrict__ boxes, int channels,
    int rows, int columns, int height, int width, int border, Real* __restrict__ partial) {
    SHARED Real scratch[4 * 272];
    int64 b = blockIdx.z;
    int pixels = height * width, plane = rows * columns;
    Axis<Real> along_x = axis_of(boxes, b, 0, 0, width, columns), along_y = axis_of(boxes, b, 1, 0, height, rows);
    Real sums[4] = {0, 0, 0, 0};
    for (int k = 0; k < 4; k++) {
        int pixel = (blockIdx.x * 4 + k) * 256 + threadIdx.x;
        if (pixel >= pixels) break;
        int y = pixel / width, x = pixel - y * width;
        Tap<Real> tap_x = along_x.tap(along_x.position(x), border), tap_y = along_y.tap(along_y.position(y), border);
        Real flow_x = 0, flow_y = 0;
        for (int c = 0; c < channels; c++) {
            int64 at = b * channels + c;
            Sample<Real> value = sample<Real>(image + at * plane, columns, tap_x, tap_y);
            Real g = load<Real>(grad, at * pixels + pixel);
            flow_x += g * value.along_x;
            flow_y += g * value.along_y;
        }
        sums[0] += flow_x * along_x.grid(x) * along_x.half;
        sums[1] += flow_x * along_x.half;
        sums[2] += flow_y * along_y.grid(y) * along_y.half;
        sums[3] += flow_y * along_y.half;
    }
    Real sum = block_sums<4>(sums, scratch);
    if (threadIdx.x < 4) partial[(b * gridDim.x + blockIdx.x) * 4 + threadIdx.x] = sum;
}

// Sums of a sample's parts; `inverse`: the positions were those of the inverse of the box, whose gradient is asked for.
extern "C" __global__ void __launch_bounds__(256) box_totals(const Real* __restrict__ partial, int parts,
                                                             const Real* __restrict__ boxes, int inverse,
                                                             Real* __restrict__ grad_box) {
    SHARED Real scratch[4 * 272];
    SHARED Real totals[4];
    int thread = threadIdx.x;
    int64 b = blockIdx.x;
    Real sums[4] = {0, 0, 0, 0};
    for (int k = thread; k < parts; k += 256)
        for (int n = 0; n < 4; n++) sums[n] += partial[(b * parts + k) * 4 + n];
    Real sum = block_sums<4>(sums, scratch);
    if (thread < 4) totals[thread] = sum;
    __syncthreads();
    if (thread > 0) return;
    Box<Real> box(boxes, b);
    bool usable = inverse ? box.usable : finite(boxes, b);
    for (int axis = 0; axis < 2; axis++) {
        Real by_scale = totals[2 * axis], by_shift = totals[2 * axis + 1];
        if (inverse) {
            Real scale = axis ? box.scale_y : box.scale_x, shift = axis ? box.shift_y : box.shift_x;
            by_scale = -scale * (by_scale * scale + by_shift * shift);
            by_shift = -by_shift * scale;
        }
        grad_box[4 * b + axis] = usable ? by_scale : not_a_number<Real>();
        grad_box[4 * b + 2 + axis] = usable ? by_shift : not_a_number<Real>();
    }
}
