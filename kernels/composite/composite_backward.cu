// Gradients of a composite. Every pixel of the crop gathers what touches it, so nothing is added by two threads at once
// and the order of every sum is fixed: first along the rows of the frame (B, H, 4, columns), then along its columns.
//
// Outside of the mask nothing of the crop is seen, so only the box is read, and borders have no long ranges. With
// u = uncrop(mask), D = 1e-4 + max u and m = u / D, the gradient of u is G / D everywhere and, where u is the maximum,
// share = -sum(G m) / (D ties) more: it is known only after all rows, so ties are found again by the second pass.
#include "common.cuh"
#include "sampling.cuh"
#include "types"

// Blocks that a multiprocessor shall hold at once: without the number, compilers spill registers to make room for more.
const int BLOCKS = sizeof(Real) == 4 ? 3 : 1;

#define TILE 64   // crop columns of a block of the first pass
#define ROWS 8    // frame rows of it
#define PARTS 10  // sum(G m), ties, gradient of (scale_x, shift_x, scale_y, shift_y), the same where u is the maximum

extern "C" __global__ void __launch_bounds__(256, BLOCKS) composite_rows(
    const Frame* __restrict__ grad_frame, const Real* __restrict__ grad_mask, const Real* __restrict__ rgb,
    const Real* __restrict__ mask, const Real* __restrict__ boxes, const Background* __restrict__ background,
    const Real* __restrict__ peak, int height, int width, int rows, int columns, int clamp, Real* __restrict__ across,
    Real* __restrict__ partial) {
    SHARED Real staged[4 * 256];
    SHARED Real places[256];
    SHARED Real scratch[PARTS * 272];
    int thread = threadIdx.x, channel = thread / TILE, tile = blockIdx.x;
    int first = tile * TILE, mine = first + thread % TILE;
    int64 b = blockIdx.z;
    int pixels = height * width, crop = rows * columns;
    Box<Real> box(boxes, b);
    Axis<Real> along_x(box.scale_x, box.shift_x, width, columns), along_y(box.scale_y, box.shift_y, height, rows);
    Real gain = peak ? (Real)1 / plus((Real)1e-4, peak[b]) : (Real)1;
    int begin, end, my_begin = 1, my_end = 0;
    along_x.range(first, smaller(first + TILE, columns) - 1, false, &begin, &end);
    if (mine < columns) along_x.range(mine, mine, false, &my_begin, &my_end);
    my_end = smaller(my_end, end);
    Real* sums = scratch + thread;  // of this thread, in shared memory: registers are short
    for (int n = 0; n < PARTS; n++) sums[n * 256] = 0;

    for (int r = 0; r < ROWS; r++) {
        int y = blockIdx.y * ROWS + r;
        if (y >= height) break;
        Tap<Real> tap_y = along_y.tap(along_y.position(y), false);
        if (!box.usable || !tap_y.touches()) continue;  // the second pass does not read this row
        Real total = 0;
        for (int start = begin; start <= end; start += 256) {
            int x = start + thread;
            Real at_x = along_x.position(x), flows[4] = {0, 0, 0, 0};
            Tap<Real> tap_x = along_x.tap(at_x, false);
            if (x <= end && tap_x.touches()) {
                int pixel = y * width + x;
                Sample<Real> u = sample<Real>(mask + b * crop, columns, tap_x, tap_y);
                Real m = u.value * gain;
                Real flow = grad_mask ? grad_mask[b * pixels + pixel] : (Real)0;  // to the mask at full frame
                Real flow_x = 0, flow_y = 0;                                      // to the position
                if (grad_frame) {
#pragma unroll
                    for (int c = 0; c < 3; c++) {
                        int64 plane = 3 * b + c;
                        Sample<Real> colour = sample_repeated<Real>(rgb + plane * crop, rows, columns, tap_x, tap_y);
                        Real behind = load<Real>(background, plane * pixels + pixel);
                        Real value = blend(m, colour.value, behind);
                        Real g = load<Real>(grad_frame, plane * pixels + pixel);
                        if (clamp && !(value >= 0 && value <= 1)) g = 0;
                        flow += g * (colour.value - behind);
                        flows[c] = g * m;
                        flow_x += flows[c] * colour.along_x;
                        flow_y += flows[c] * colour.along_y;
                    }
                }
                flows[3] = flow * gain;
                int owner = (tap_x.left < 0 ? 0 : tap_x.left) / TILE;
                if (owner == tile) {
                    Real grid_x = along_x.grid(x) * along_x.half, grid_y = along_y.grid(y) * along_y.half;
                    flow_x += flows[3] * u.along_x;
                    flow_y += flows[3] * u.along_y;
                    sums[0] += flow * m;
                    sums[2 * 256] += flow_x * grid_x;
                    sums[3 * 256] += flow_x * along_x.half;
                    sums[4 * 256] += flow_y * grid_y;
                    sums[5 * 256] += flow_y * along_y.half;
                    if (peak && u.value == peak[b]) {
                        sums[256] += 1;
                        sums[6 * 256] += u.along_x * grid_x;
                        sums[7 * 256] += u.along_x * along_x.half;
                        sums[8 * 256] += u.along_y * grid_y;
                        sums[9 * 256] += u.along_y * along_y.half;
                    }
                }
            }
            __syncthreads();  // the chunk before may still be read
            places[thread] = at_x;
#pragma unroll
            for (int c = 0; c < 4; c++) staged[c * 256 + thread] = flows[c];
            __syncthreads();
            int last = smaller(my_end, start + 255);
            for (int k = larger(my_begin, start); k <= last; k++)
                total += staged[channel * 256 + k - start] * along_x.hat(places[k - start], mine, channel < 3);
        }
        if (mine < columns) across[((b * height + y) * 4 + channel) * columns + mine] = total;
    }
    Real sum = block_sums<PARTS>(scratch);
    int64 part = ((b * gridDim.y + blockIdx.y) * gridDim.x + tile) * PARTS;
    if (thread < PARTS) partial[part + thread] = sum;
}

// Sums of a sample's parts: gradient of its box, and what every pixel at the maximum adds to the mask's gradient.
extern "C" __global__ void __launch_bounds__(256) composite_totals(
    const Real* __restrict__ partial, int parts, const Real* __restrict__ boxes, const Real* __restrict__ peak,
    Real* __restrict__ share, Real* __restrict__ grad_box) {
    SHARED Real scratch[PARTS * 272];
    SHARED Real totals[PARTS];
    int thread = threadIdx.x;
    int64 b = blockIdx.x;
    Real sums[PARTS];
    for (int n = 0; n < PARTS; n++) sums[n] = 0;
    for (int k = thread; k < parts; k += 256)
        for (int n = 0; n < PARTS; n++) sums[n] += partial[(b * parts + k) * PARTS + n];
    Real sum = block_sums<PARTS>(sums, scratch);
    if (thread < PARTS) totals[thread] = sum;
    __syncthreads();
    if (thread > 0) return;
    Box<Real> box(boxes, b);
    Real each = 0;
    if (peak && peak[b] > 0 && totals[1] > 0) each = -totals[0] / (plus((Real)1e-4, peak[b]) * totals[1]);
    share[b] = each;
    Real scale_x = totals[2] + each * totals[6], shift_x = totals[3] + each * totals[7];
    Real scale_y = totals[4] + each * totals[8], shift_y = totals[5] + each * totals[9];
    Real nothing = box.usable ? (Real)0 : not_a_number<Real>();
    // 1 / s and -t / s are what frames are read with.
    grad_box[4 * b] = nothing - box.scale_x * (scale_x * box.scale_x + shift_x * box.shift_x);
    grad_box[4 * b + 1] = nothing - box.scale_y * (scale_y * box.scale_y + shift_y * box.shift_y);
    grad_box[4 * b + 2] = nothing - shift_x * box.scale_x;
    grad_box[4 * b + 3] = nothing - shift_y * box.scale_y;
}

// Along the columns of the frame: gradients of rgb and mask. 32 columns of one row of the crop a block, 8 threads each.
extern "C" __global__ void __launch_bounds__(256, BLOCKS) composite_columns(
    const Real* __restrict__ across, const Real* __restrict__ partial, const Real* __restrict__ share,
    const Real* __restrict__ mask, const Real* __restrict__ boxes, const Real* __restrict__ peak, int height,
    int width, int rows, int columns, int tiles, Real* __restrict__ grad_rgb, Real* __restrict__ grad_mask) {
    SHARED Real sums[4 * 256];
    int thread = threadIdx.x, lane = thread % 32, slot = thread / 32;
    int i = blockIdx.x * 32 + lane, j = blockIdx.y;
    int64 b = blockIdx.z;
    int crop = rows * columns;
    Box<Real> box(boxes, b);
    Axis<Real> along_x(box.scale_x, box.shift_x, width, columns), along_y(box.scale_y, box.shift_y, height, rows);
    Real found[4] = {0, 0, 0, 0};
    if (i < columns && box.usable) {
        Real each = share[b];
        int groups = (height + ROWS - 1) / ROWS, begin, end;
        along_y.range(j, j, false, &begin, &end);
        for (int y = begin + slot; y <= end; y += 8) {
            Real at_y = along_y.position(y);
            Tap<Real> tap_y = along_y.tap(at_y, false);
            Real weight = along_y.hat(at_y, j, true), thin = along_y.hat(at_y, j, false);
            if (!tap_y.touches() || weight == 0) continue;
            const Real* row = across + (b * height + y) * 4 * columns + i;
#pragma unroll
            for (int c = 0; c < 3; c++) found[c] += weight * row[c * columns];
            found[3] += thin * row[3 * columns];
            if (each == 0) continue;
            Real ties = 0;
            for (int k = 0; k < tiles; k++) ties += partial[((b * groups + y / ROWS) * tiles + k) * PARTS + 1];
            if (ties == 0) continue;
            int left, right;
            along_x.range(i, i, false, &left, &right);
            for (int x = left; x <= right; x++) {
                Real at_x = along_x.position(x);
                Tap<Real> tap_x = along_x.tap(at_x, false);
                if (!tap_x.touches()) continue;
                if (sample<Real>(mask + b * crop, columns, tap_x, tap_y).value == peak[b])
                    found[3] += each * thin * along_x.hat(at_x, i, false);
            }
        }
    }
#pragma unroll
    for (int c = 0; c < 4; c++) sums[c * 256 + thread] = found[c];
    __syncthreads();
    if (thread >= 128 || i >= columns) return;
    int channel = slot;  // the first four slots write one channel each
    Real total = box.usable ? (Real)0 : not_a_number<Real>();
    for (int k = 0; k < 8; k++) total += sums[channel * 256 + k * 32 + lane];
    int pixel = j * columns + i;
    if (channel < 3) grad_rgb[(3 * b + channel) * crop + pixel] = total;
    else grad_mask[b * crop + pixel] = total;
}

// Gradient of the background, where somebody wants it: (1 - m) times the frame's, where the clamp lets it through.
extern "C" __global__ void __launch_bounds__(256) composite_background(
    const Frame* __restrict__ grad_frame, const Real* __restrict__ rgb, const Real* __restrict__ mask,
    const Real* __restrict__ boxes, const Background* __restrict__ background, const Real* __restrict__ peak,
    int height, int width, int rows, int columns, int clamp, Background* __restrict__ grad_background) {
    int64 b = blockIdx.z;
    int pixels = height * width, crop = rows * columns;
    int pixel = blockIdx.x * 256 + threadIdx.x;
    if (pixel >= pixels) return;
    Box<Real> box(boxes, b);
    Axis<Real> along_x(box.scale_x, box.shift_x, width, columns), along_y(box.scale_y, box.shift_y, height, rows);
    Real gain = peak ? (Real)1 / plus((Real)1e-4, peak[b]) : (Real)1;
    int y = pixel / width, x = pixel - y * width;
    Real at_x = along_x.position(x), at_y = along_y.position(y);
    Real m = sample<Real>(mask + b * crop, columns, along_x.tap(at_x, false), along_y.tap(at_y, false)).value * gain;
    if (!box.usable) m = not_a_number<Real>();
    Tap<Real> tap_x = along_x.tap(at_x, true), tap_y = along_y.tap(at_y, true);
    for (int c = 0; c < 3; c++) {
        int64 plane = 3 * b + c;
        Real behind = load<Real>(background, plane * pixels + pixel);
        Real value = m == 0 ? behind : blend(m, sample<Real>(rgb + plane * crop, columns, tap_x, tap_y).value, behind);
        Real g = load<Real>(grad_frame, plane * pixels + pixel) * ((Real)1 - m);
        if (clamp && !(value >= 0 && value <= 1) && box.usable) g = 0;
        store(grad_background, plane * pixels + pixel, g);
    }
}
