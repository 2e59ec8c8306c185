// A frame as a linear function of its materials' colours, and the gradients of the colours.
#include "common.cuh"
#include "sampling.cuh"
#include "types"

#define GROUP 4  // materials whose colours one block sums

// frame (B, 3, H W) = clamp(sum_m shading_m colour_m + rest). Shadings are read once, for three channels.
extern "C" __global__ void __launch_bounds__(256) recompose(
    const Real* __restrict__ shading, const Real* __restrict__ colours, const Real* __restrict__ rest, int materials,
    int64 pixels, int clamp, Real* __restrict__ frame) {
    int64 b = blockIdx.z, pixel = (int64)blockIdx.x * 256 + threadIdx.x;
    if (pixel >= pixels) return;
    Real value[3] = {0, 0, 0};
    for (int m = 0; m < materials; m++) {
        Real lit = shading[(b * materials + m) * pixels + pixel];
#pragma unroll
        for (int c = 0; c < 3; c++) value[c] += lit * colours[(b * materials + m) * 3 + c];
    }
#pragma unroll
    for (int c = 0; c < 3; c++) {
        int64 at = (3 * b + c) * pixels + pixel;
        Real sum = value[c] + rest[at];
        frame[at] = clamp ? within(sum, (Real)0, (Real)1) : sum;
    }
}

// The frame's gradient where the clamp lets it through, which is that of `rest`.
extern "C" __global__ void __launch_bounds__(256) recompose_inside(
    const Real* __restrict__ grad, const Real* __restrict__ shading, const Real* __restrict__ colours,
    const Real* __restrict__ rest, int materials, int64 pixels, Real* __restrict__ inside) {
    int64 b = blockIdx.z, pixel = (int64)blockIdx.x * 256 + threadIdx.x;
    if (pixel >= pixels) return;
    Real value[3] = {0, 0, 0};
    for (int m = 0; m < materials; m++) {
        Real lit = shading[(b * materials + m) * pixels + pixel];
#pragma unroll
        for (int c = 0; c < 3; c++) value[c] += lit * colours[(b * materials + m) * 3 + c];
    }
#pragma unroll
    for (int c = 0; c < 3; c++) {
        int64 at = (3 * b + c) * pixels + pixel;
        Real sum = value[c] + rest[at];
        inside[at] = sum >= 0 && sum <= 1 ? grad[at] : (Real)0;
    }
}

// Sums over 2048 pixels of shading times gradient: partial (B, gridDim.x, materials, 3); gridDim.y groups of materials.
extern "C" __global__ void __launch_bounds__(256) recompose_colours(
    const Real* __restrict__ inside, const Real* __restrict__ shading, int materials, int64 pixels,
    Real* __restrict__ partial) {
    SHARED Real scratch[3 * GROUP * 272];
    int64 b = blockIdx.z;
    int first = blockIdx.y * GROUP;
    Real sums[3 * GROUP];
#pragma unroll
    for (int n = 0; n < 3 * GROUP; n++) sums[n] = 0;
    for (int k = 0; k < 8; k++) {
        int64 pixel = ((int64)blockIdx.x * 8 + k) * 256 + threadIdx.x;
        if (pixel >= pixels) break;
        Real g[3];
#pragma unroll
        for (int c = 0; c < 3; c++) g[c] = inside[(3 * b + c) * pixels + pixel];
#pragma unroll
        for (int m = 0; m < GROUP; m++) {
            if (first + m >= materials) continue;
            Real lit = shading[(b * materials + first + m) * pixels + pixel];
#pragma unroll
            for (int c = 0; c < 3; c++) sums[3 * m + c] += lit * g[c];
        }
    }
    Real sum = block_sums<3 * GROUP>(sums, scratch);
    int n = first * 3 + threadIdx.x;
    if (threadIdx.x < 3 * GROUP && n < 3 * materials) partial[(b * gridDim.x + blockIdx.x) * 3 * materials + n] = sum;
}

// Sum over the parts: (B, parts, numbers) -> (B, numbers).
extern "C" __global__ void __launch_bounds__(256) recompose_totals(const Real* __restrict__ partial, int parts,
                                                                   int numbers, Real* __restrict__ totals) {
    SHARED Real scratch[256];
    int64 b = blockIdx.z;
    Real sum = 0;
    for (int k = threadIdx.x; k < parts; k += 256) sum += partial[(b * parts + k) * numbers + blockIdx.x];
    sum = block_sum<256>(sum, scratch);
    if (threadIdx.x == 0) totals[b * numbers + blockIdx.x] = sum;
}

// Gradient of the shadings: sum over channels of gradient times colour.
extern "C" __global__ void __launch_bounds__(256) recompose_shading(
    const Real* __restrict__ inside, const Real* __restrict__ colours, int materials, int64 pixels,
    Real* __restrict__ grad_shading) {
    int64 b = blockIdx.z, pixel = (int64)blockIdx.x * 256 + threadIdx.x;
    if (pixel >= pixels) return;
    for (int m = 0; m < materials; m++) {
        Real sum = 0;
        for (int c = 0; c < 3; c++) sum += inside[(3 * b + c) * pixels + pixel] * colours[(b * materials + m) * 3 + c];
        grad_shading[(b * materials + m) * pixels + pixel] = sum;
    }
}
