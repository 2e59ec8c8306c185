// Gradients of `paint`, whose mask at full frame is given and may reach beyond the box: there the border of the crop is
// repeated, and one of its pixels may be seen by half of the frame. What lies beyond is summed by all threads of a block
// and only where the mask is not 0.
#include "common.cuh"
#include "sampling.cuh"
#include "types"

// Blocks that a multiprocessor shall hold at once: without the number, compilers spill registers to make room for more.
const int BLOCKS = sizeof(Real) == 4 ? 3 : 1;

#define TILE 64
#define ROWS 8

// Along the rows of the frame: across (B, 3, H, columns), then `gather_columns` of resample.cu; partial (B, parts, 4).
extern "C" __global__ void __launch_bounds__(256, BLOCKS) paint_rows(
    const Frame* __restrict__ grad_frame, const Real* __restrict__ rgb, const Real* __restrict__ boxes,
    const Real* __restrict__ full_mask, const Background* __restrict__ base, int height, int width, int rows,
    int columns, Real* __restrict__ across, Real* __restrict__ partial) {
    SHARED Real staged[3 * 256];
    SHARED Real places[256];
    SHARED Real scratch[6 * 272];
    SHARED Real boxed[4 * 272];  // sums of a thread wait in shared memory: registers are short
    SHARED Real edges[6], heights[ROWS], grids[ROWS];
    SHARED int beyond, seen[ROWS];
    int thread = threadIdx.x, channel = thread / TILE, tile = blockIdx.x, first = tile * TILE;
    int mine = channel < 3 ? first + thread % TILE : columns;
    int64 b = blockIdx.z;
    int pixels = height * width, crop = rows * columns;
    grad_frame += 3 * b * pixels;
    rgb += 3 * b * crop;
    full_mask += b * pixels;
    base += 3 * b * pixels;
    across += (b * 3 + channel) * height * columns;
    Box<Real> box(boxes, b);
    Axis<Real> along_x(box.scale_x, box.shift_x, width, columns), along_y(box.scale_y, box.shift_y, height, rows);
    bool last_tile = first + TILE >= columns;
    int begin = 0, end = -1, my_begin = 1, my_end = 0;
    if (box.usable) along_x.range(first, smaller(first + TILE, columns) - 1, true, &begin, &end);
    if (mine < columns) along_x.range(mine, mine, false, &my_begin, &my_end);
    my_end = smaller(my_end, end);
    Real* sums = boxed + thread;
    for (int n = 0; n < 4; n++) sums[n * 256] = 0;

    // Which rows are masked at all, for all rows at once: the others need no more reading, and no waiting for it.
    unsigned masked = 0;
    const Real* top = full_mask + blockIdx.y * ROWS * width;
    int rows_here = smaller(ROWS, height - (int)blockIdx.y * ROWS);
    for (int x = begin + thread; x <= end; x += 256) {
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            if (r < rows_here && top[r * width + x] != 0) masked |= 1u << r;
    }
    if (thread < ROWS) {
        int y = blockIdx.y * ROWS + thread;
        seen[thread] = 0;
        heights[thread] = along_y.position(y);
        grids[thread] = along_y.grid(y);
    }
    __syncthreads();
#pragma unroll
    for (int r = 0; r < ROWS; r++)
        if (masked >> r & 1) seen[r] = 1;
    __syncthreads();

    for (int r = 0; r < rows_here; r++) {
        int y = blockIdx.y * ROWS + r;
        if (!seen[r]) {
            Real nothing = box.usable ? (Real)0 : not_a_number<Real>();
            if (mine < columns) across[y * columns + mine] = nothing;
            continue;
        }
        Real total = 0;
        Tap<Real> tap_y = along_y.tap(heights[r], true);
        Real* tails = scratch + thread;  // left of the crop's first pixel, right of its last
        for (int n = 0; n < 6; n++) tails[n * 256] = 0;
        if (thread == 0) beyond = 0;
        __syncthreads();
        for (int start = begin; start <= end; start += 256) {
            int x = start + thread;
            Real at_x = along_x.position(x), flows[3] = {0, 0, 0};
            int pixel = y * width + x;
            Real m = x <= end ? full_mask[pixel] : (Real)0;
            if (m != 0) {
                Tap<Real> tap_x = along_x.tap(at_x, true);
                Real flow_x = 0, flow_y = 0;
#pragma unroll
                for (int c = 0; c < 3; c++) {
                    Sample<Real> colour = sample<Real>(rgb + c * crop, columns, tap_x, tap_y);
                    Real value = plus(times(m, colour.value), load<Real>(base, c * pixels + pixel));
                    Real g = load<Real>(grad_frame, c * pixels + pixel);
                    flows[c] = value >= 0 && value <= 1 ? g * m : (Real)0;
                    flow_x += flows[c] * colour.along_x;
                    flow_y += flows[c] * colour.along_y;
                }
                if ((unsigned)(tap_x.left - first) < TILE) {
                    sums[0] += flow_x * along_x.grid(x);
                    sums[256] += flow_x;
                    sums[2 * 256] += flow_y * grids[r];
                    sums[3 * 256] += flow_y;
                }
                bool before = at_x <= 0, after = !before && at_x >= (Real)(columns - 1);
                if (before || after) {
                    if (before ? first == 0 : last_tile) beyond = 1;
#pragma unroll
                    for (int c = 0; c < 3; c++) {
                        tails[(before ? c : 3 + c) * 256] += flows[c];
                        flows[c] = 0;
                    }
                }
            }
            __syncthreads();  // the chunk before may still be read
            places[thread] = at_x;
#pragma unroll
            for (int c = 0; c < 3; c++) staged[c * 256 + thread] = flows[c];
            __syncthreads();
            int last = smaller(my_end, start + 255);
            for (int k = larger(my_begin, start); k <= last; k++)
                total += staged[channel * 256 + k - start] * along_x.hat(places[k - start], mine, false);
        }
        __syncthreads();
        int tailed = beyond;
        if (tailed) {
            Real tail = block_sums<6>(scratch);
            if (thread < 6) edges[thread] = tail;
        }
        __syncthreads();
        if (mine < columns) {
            if (tailed && mine == 0) total += edges[channel];
            if (tailed && mine == columns - 1) total += edges[3 + channel];
            across[y * columns + mine] = total;
        }
    }
    Real half = (Real)((thread < 2 ? columns : rows) - 1) / 2;  // pixels of a crop to one of its coordinates
    Real sum = block_sums<4>(boxed) * half;
    int64 part = ((b * gridDim.y + blockIdx.y) * gridDim.x + tile) * 4;
    if (thread < 4) partial[part + thread] = sum;
}

// Gradients of what is given at full frame, where somebody wants them; a null pointer is not written.
extern "C" __global__ void __launch_bounds__(256) paint_layers(
    const Frame* __restrict__ grad_frame, const Real* __restrict__ rgb, const Real* __restrict__ boxes,
    const Real* __restrict__ full_mask, const Background* __restrict__ base, int height, int width, int rows,
    int columns, Real* __restrict__ grad_mask, Background* __restrict__ grad_base) {
    int64 b = blockIdx.z;
    int pixels = height * width, crop = rows * columns;
    int pixel = blockIdx.x * 256 + threadIdx.x;
    if (pixel >= pixels) return;
    Box<Real> box(boxes, b);
    Axis<Real> along_x(box.scale_x, box.shift_x, width, columns), along_y(box.scale_y, box.shift_y, height, rows);
    int y = pixel / width, x = pixel - y * width;
    Tap<Real> tap_x = along_x.tap(along_x.position(x), true), tap_y = along_y.tap(along_y.position(y), true);
    Real m = full_mask[b * pixels + pixel], flow = box.usable ? (Real)0 : not_a_number<Real>();
    for (int c = 0; c < 3; c++) {
        int64 plane = 3 * b + c;
        Real colour = sample<Real>(rgb + plane * crop, columns, tap_x, tap_y).value;
        Real value = plus(times(m, colour), load<Real>(base, plane * pixels + pixel));
        Real g = load<Real>(grad_frame, plane * pixels + pixel);
        if (!(value >= 0 && value <= 1)) g = 0;
        flow += g * colour;
        if (grad_base) store(grad_base, plane * pixels + pixel, box.usable ? g : flow);
    }
    if (grad_mask) grad_mask[b * pixels + pixel] = flow;
}
