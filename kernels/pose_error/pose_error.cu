// Errors between poses, (B, J, 3) each, on a GPU; see turncoat.kernels.pose_error for what they are.
//
// Blocks take whole poses and read them as one run of numbers, neighbouring threads neighbouring numbers: a thread that
// read its own pose would touch a line of memory for every number. What threads exchange goes through shared memory.
// Errors of joints are computed in Real. Alignment is computed in double whatever the poses are stored in: where a
// mirrored pose has its two smaller singular values close together, the rotation hangs on their difference, and in
// float32 such poses of two metres came out 4e-3 mm off, where 1e-3 is promised. It is some 2500 operations for 17
// joints, about what the memory takes to bring them on GPUs that compute half as fast in double as in float.
//
// Stored: half_t, bfloat16_t, float or double, of poses and results. Real: float, or double with double poses.
// Joints that count are the bits of a mask, for J up to 63; others are not looked at, whatever they hold.
#include "common.cuh"
#include "rotation.cuh"
#include "types"

#define THREADS 256
#define TILE 3072  // numbers of a block that is bound by memory: 60 poses of 17 joints
#define SOLVERS 64  // threads that take a pose each; eight such blocks fit on a multiprocessor of sm_90
#define SOLVED (13056 / (int)sizeof(Real))  // numbers of each side in a block of solvers: 64 poses in float

__device__ __forceinline__ float root(float value) { return sqrtf(value); }
__device__ __forceinline__ double root(double value) { return sqrt(value); }
__device__ __forceinline__ bool counts(int64 mask, int joint) { return (mask >> joint) & 1; }

// Numbers of this block: from `first` on, `many` of them.
struct Tile {
    int64 first;
    int many;
};

__device__ __forceinline__ Tile tile_of(int64 total, int size) {
    Tile tile;
    tile.first = (int64)blockIdx.x * size;
    int64 left = total - tile.first;
    tile.many = left < size ? (int)left : size;
    return tile;
}

__device__ __forceinline__ void read_differences(
    const Stored* __restrict__ prediction, const Stored* __restrict__ target, Tile tile, Real* difference) {
#pragma unroll 4
    for (int i = threadIdx.x; i < tile.many; i += THREADS)
        difference[i] = load<Real>(prediction, tile.first + i) - load<Real>(target, tile.first + i);
    __syncthreads();
}

__device__ __forceinline__ Real length(const Real* vector) {
    return root(vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2]);
}

// joint_error (B, J): distance of every joint. Reads 6, writes 1 number a joint.
extern "C" __global__ void __launch_bounds__(THREADS) joint_errors(
    const Stored* __restrict__ prediction, const Stored* __restrict__ target, int64 total, Stored* __restrict__ error) {
    SHARED Real difference[TILE];
    Tile tile = tile_of(total, TILE);
    read_differences(prediction, target, tile, difference);
    for (int k = threadIdx.x; k < tile.many / 3; k += THREADS)
        store(error, tile.first / 3 + k, length(difference + 3 * k));
}

// The distances of a block's joints, pose after pose with a stride that is odd, so that threads that each walk along
// one pose meet different banks.
__device__ __forceinline__ void lay_out(const Real* difference, int many, int joints, Real* distance) {
    for (int k = threadIdx.x; k < many / 3; k += THREADS) {
        int pose = k / joints;
        distance[pose * (joints | 1) + k - pose * joints] = length(difference + 3 * k);
    }
    __syncthreads();
}

// error (B,): mean distance of the joints in the mask, `counted` of them. Reads 6 J, writes 1 number a pose.
extern "C" __global__ void __launch_bounds__(THREADS) mpjpe(
    const Stored* __restrict__ prediction, const Stored* __restrict__ target, int64 total, int joints, int64 mask,
    int counted, Stored* __restrict__ error) {
    SHARED Real difference[TILE];
    SHARED Real distance[TILE / 2];
    int poses = TILE / (3 * joints);
    Tile tile = tile_of(total, poses * 3 * joints);
    read_differences(prediction, target, tile, difference);
    lay_out(difference, tile.many, joints, distance);
    for (int pose = threadIdx.x; pose < tile.many / (3 * joints); pose += THREADS) {
        Real sum = 0;
        for (int joint = 0; joint < joints; joint++)
            if (counts(mask, joint)) sum += distance[pose * (joints | 1) + joint];
        store(error, (int64)blockIdx.x * poses + pose, sum / (Real)counted);
    }
}

// share (B,): percentage of (joint, threshold) with the distance below; thresholds are first, first + step, ...
// NaN where a distance that counts is not finite. Reads 6 J, writes 1 number a pose.
extern "C" __global__ void __launch_bounds__(THREADS) share_below(
    const Stored* __restrict__ prediction, const Stored* __restrict__ target, int64 total, int joints, int64 mask,
    int counted, double first, double step, int thresholds, Stored* __restrict__ share) {
    SHARED Real difference[TILE];
    SHARED Real distance[TILE / 2];
    int poses = TILE / (3 * joints);
    Tile tile = tile_of(total, poses * 3 * joints);
    read_differences(prediction, target, tile, difference);
    lay_out(difference, tile.many, joints, distance);
    for (int pose = threadIdx.x; pose < tile.many / (3 * joints); pose += THREADS) {
        int below = 0;
        Real start = (Real)first, stride = (Real)step;
        Real spoilt = 0;
        for (int joint = 0; joint < joints; joint++) {
            if (!counts(mask, joint)) continue;
            Real found = distance[pose * (joints | 1) + joint];
            spoilt += found - found;  // 0, or NaN of what is not finite
            for (int t = 0; t < thresholds; t++) below += found < start + (Real)t * stride;
        }
        Real percentage = (Real)100 * (Real)below / (Real)(counted * thresholds);
        store(share, (int64)blockIdx.x * poses + pose, percentage + spoilt);
    }
}

// gradient (B, J, 3) by the prediction of sum(upstream * distance) / divisor over the joints in the mask; upstream is
// (B, J), or (B,) for all joints of a pose. 0 where a joint is met exactly. Reads 6, writes 3 numbers a joint.
extern "C" __global__ void __launch_bounds__(THREADS) distance_gradient(
    const Stored* __restrict__ prediction, const Stored* __restrict__ target, const Stored* __restrict__ upstream,
    int64 total, int joints, int each_joint, int64 mask, int divisor, Stored* __restrict__ gradient) {
    SHARED Real difference[TILE];
    SHARED Real factor[TILE / 3];
    int poses = TILE / (3 * joints);
    Tile tile = tile_of(total, poses * 3 * joints);
    read_differences(prediction, target, tile, difference);
    for (int k = threadIdx.x; k < tile.many / 3; k += THREADS) {
        int pose = k / joints;
        Real distance = length(difference + 3 * k);
        Real above = load<Real>(upstream, each_joint ? tile.first / 3 + k : (int64)blockIdx.x * poses + pose);
        factor[k] = distance == 0 ? (Real)0 : above / ((Real)divisor * distance);
        if (!counts(mask, k - pose * joints))  // whatever it holds
            factor[k] = difference[3 * k] = difference[3 * k + 1] = difference[3 * k + 2] = 0;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < tile.many; i += THREADS)
        store(gradient, tile.first + i, difference[i] * factor[i / 3]);
}

// error (B,) = sum_j w_j distance_j / sum_j w_j and its gradient (B, J, 3) by the prediction, in one pass; weight (J,),
// or null for ones. Reads 6, writes 3 numbers a joint.
extern "C" __global__ void __launch_bounds__(THREADS) mpjpe_with_gradient(
    const Stored* __restrict__ prediction, const Stored* __restrict__ target, const Stored* __restrict__ weight,
    int64 total, int joints, Stored* __restrict__ error, Stored* __restrict__ gradient) {
    SHARED Real difference[TILE];
    SHARED Real distance[TILE / 2];
    SHARED Real share[64];
    int poses = TILE / (3 * joints);
    Tile tile = tile_of(total, poses * 3 * joints);
    if ((int)threadIdx.x < joints) {
        Real sum = 0;
        for (int joint = 0; joint < joints; joint++) sum += weight ? load<Real>(weight, joint) : (Real)1;
        share[threadIdx.x] = (weight ? load<Real>(weight, threadIdx.x) : (Real)1) / sum;
    }
    read_differences(prediction, target, tile, difference);
    lay_out(difference, tile.many, joints, distance);
    for (int pose = threadIdx.x; pose < tile.many / (3 * joints); pose += THREADS) {
        Real sum = 0;
        for (int joint = 0; joint < joints; joint++) sum += share[joint] * distance[pose * (joints | 1) + joint];
        store(error, (int64)blockIdx.x * poses + pose, sum);
    }
    for (int i = threadIdx.x; i < tile.many; i += THREADS) {
        int k = i / 3, pose = k / joints, joint = k - pose * joints;
        Real found = distance[pose * (joints | 1) + joint];
        store(gradient, tile.first + i, found == 0 ? found : share[joint] * (difference[i] / found));
    }
}

// Both sides of a block's poses, for threads that take one pose each.
__device__ __forceinline__ void read_poses(
    const Stored* __restrict__ prediction, const Stored* __restrict__ target, Tile tile, Real* p, Real* g) {
#pragma unroll 8
    for (int i = threadIdx.x; i < tile.many; i += SOLVERS) {
        p[i] = load<Real>(prediction, tile.first + i);
        g[i] = load<Real>(target, tile.first + i);
    }
    __syncthreads();
}

// error (B,): MPJPE after the best scale <p, g> / <p, p> over the joints in the mask. Reads 6 J, writes 1 a pose.
extern "C" __global__ void __launch_bounds__(SOLVERS) n_mpjpe(
    const Stored* __restrict__ prediction, const Stored* __restrict__ target, int64 total, int joints, int64 mask,
    int counted, Stored* __restrict__ error) {
    SHARED Real all_p[SOLVED];
    SHARED Real all_g[SOLVED];
    int poses = SOLVED / (3 * joints) < SOLVERS ? SOLVED / (3 * joints) : SOLVERS;
    Tile tile = tile_of(total, poses * 3 * joints);
    read_poses(prediction, target, tile, all_p, all_g);
    if ((int)threadIdx.x >= tile.many / (3 * joints)) return;
    const Real* p = all_p + threadIdx.x * 3 * joints;
    const Real* g = all_g + threadIdx.x * 3 * joints;
    Real square = 0, product = 0, sum = 0;
    for (int j = 0; j < joints; j++) {
        if (!counts(mask, j)) continue;
        square += p[3 * j] * p[3 * j] + p[3 * j + 1] * p[3 * j + 1] + p[3 * j + 2] * p[3 * j + 2];
        product += p[3 * j] * g[3 * j] + p[3 * j + 1] * g[3 * j + 1] + p[3 * j + 2] * g[3 * j + 2];
    }
    Real scale = product / (square == 0 ? (Real)1 : square);
    for (int j = 0; j < joints; j++) {
        if (!counts(mask, j)) continue;
        Real apart[3] = {
            scale * p[3 * j] - g[3 * j], scale * p[3 * j + 1] - g[3 * j + 1], scale * p[3 * j + 2] - g[3 * j + 2]};
        sum += length(apart);
    }
    store(error, (int64)blockIdx.x * poses + threadIdx.x, sum / (Real)counted);
}

// Similarity that lays the prediction on the target, over the joints in the mask: aligned (B, J, 3), scale (B,),
// rotation (B, 3, 3), error (B,) the mean distance after it. Each result may be null; aligned asks for a full mask.
// Reads 6 J numbers a pose and writes up to 3 J + 14; about 90 J + 1000 operations in double.
extern "C" __global__ void __launch_bounds__(SOLVERS) procrustes(
    const Stored* __restrict__ prediction, const Stored* __restrict__ target, int64 total, int joints, int64 mask,
    int counted, int reflections, Stored* __restrict__ aligned, Stored* __restrict__ scale,
    Stored* __restrict__ rotation, Stored* __restrict__ error) {
    SHARED Real all_p[SOLVED];
    SHARED Real all_g[SOLVED];
    int poses = SOLVED / (3 * joints) < SOLVERS ? SOLVED / (3 * joints) : SOLVERS;
    Tile tile = tile_of(total, poses * 3 * joints);
    read_poses(prediction, target, tile, all_p, all_g);
    if ((int)threadIdx.x < tile.many / (3 * joints)) {
        Real* p = all_p + threadIdx.x * 3 * joints;
        const Real* g = all_g + threadIdx.x * 3 * joints;
        int origin = 0;
        while (!counts(mask, origin)) origin++;
        // Means are taken from the first joint on, so that joints in one place are found in exactly one place.
        double mean_p[3] = {0, 0, 0}, mean_g[3] = {0, 0, 0};
        for (int j = 0; j < joints; j++) {
            if (!counts(mask, j)) continue;
#pragma unroll
            for (int i = 0; i < 3; i++) {
                mean_p[i] += (double)p[3 * j + i] - (double)p[3 * origin + i];
                mean_g[i] += (double)g[3 * j + i] - (double)g[3 * origin + i];
            }
        }
#pragma unroll
        for (int i = 0; i < 3; i++) {
            mean_p[i] = mean_p[i] / counted + (double)p[3 * origin + i];
            mean_g[i] = mean_g[i] / counted + (double)g[3 * origin + i];
        }
        Columns m = {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}}, v;  // m[k][i]: axis k of the prediction, i of the target
        double square = 0;
        for (int j = 0; j < joints; j++) {
            if (!counts(mask, j)) continue;
#pragma unroll
            for (int k = 0; k < 3; k++) {
                double centred = (double)p[3 * j + k] - mean_p[k];
                square += centred * centred;
#pragma unroll
                for (int i = 0; i < 3; i++) m[k][i] += centred * ((double)g[3 * j + i] - mean_g[i]);
            }
        }
        double spoilt = square - square;  // 0, or NaN
#pragma unroll
        for (int k = 0; k < 3; k++)
#pragma unroll
            for (int i = 0; i < 3; i++) spoilt += m[k][i] - m[k][i];
        double singular[3];
        decompose(m, v, singular, reflections);
        double by = (singular[0] + singular[1] + singular[2]) / (square > 0 ? square : 1) + spoilt;
        int64 pose = (int64)blockIdx.x * poses + threadIdx.x;
        double turned[3][3];
#pragma unroll
        for (int i = 0; i < 3; i++)
#pragma unroll
            for (int k = 0; k < 3; k++) {
                double cell = m[0][i] * v[0][k] + m[1][i] * v[1][k] + m[2][i] * v[2][k] + spoilt;
                if (rotation) store(rotation, 9 * pose + 3 * i + k, (Real)cell);
                turned[i][k] = by * cell;
            }
        double sum = 0;
        for (int j = 0; j < joints; j++) {
            if (!counts(mask, j)) continue;
            double x = (double)p[3 * j] - mean_p[0], y = (double)p[3 * j + 1] - mean_p[1],
                   z = (double)p[3 * j + 2] - mean_p[2], apart[3];
#pragma unroll
            for (int i = 0; i < 3; i++) {
                double laid = turned[i][0] * x + turned[i][1] * y + turned[i][2] * z + mean_g[i];
                apart[i] = laid - (double)g[3 * j + i];
                p[3 * j + i] = (Real)laid;
            }
            sum += sqrt(dot(apart, apart));
        }
        if (scale) store(scale, pose, (Real)by);
        if (error) store(error, pose, (Real)(sum / counted));
    }
    if (!aligned) return;
    __syncthreads();
    for (int i = threadIdx.x; i < tile.many; i += SOLVERS) store(aligned, tile.first + i, all_p[i]);
}

// Gradient (B, 3, 3) by M of <upstream, R(M)>, R(M) the rotation that maximises <R, M>; all in double. With M = U S V^T
// and A = U^T upstream V it is U ((A_ij - A_ji) / (s_i + s_j)) V^T, 0 where the rotation is not determined. Rows of M
// are axes of the target.
extern "C" __global__ void __launch_bounds__(SOLVERS) rotation_gradient(
    const double* __restrict__ matrix, const double* __restrict__ upstream, int64 count, int reflections,
    double* __restrict__ gradient) {
    int64 pose = (int64)blockIdx.x * SOLVERS + threadIdx.x;
    if (pose >= count) return;
    Columns m, v;
    double singular[3], inner[3][3];
#pragma unroll
    for (int k = 0; k < 3; k++)
#pragma unroll
        for (int i = 0; i < 3; i++) m[k][i] = matrix[9 * pose + 3 * i + k];
    decompose(m, v, singular, reflections);
#pragma unroll
    for (int a = 0; a < 3; a++) {
        double row[3];  // of U^T upstream
#pragma unroll
        for (int k = 0; k < 3; k++)
            row[k] = m[a][0] * upstream[9 * pose + k] + m[a][1] * upstream[9 * pose + 3 + k] +
                     m[a][2] * upstream[9 * pose + 6 + k];
#pragma unroll
        for (int b = 0; b < 3; b++) inner[a][b] = dot(row, v[b]);
    }
    double skew[3];  // of the pairs 01, 02, 12
#pragma unroll
    for (int pair = 0; pair < 3; pair++) {
        int a = pair == 2 ? 1 : 0, b = pair == 0 ? 1 : 2;
        double sum = singular[a] + singular[b];
        skew[pair] = fabs(sum) > 1e-12 * singular[0] ? (inner[a][b] - inner[b][a]) / sum : 0;
    }
#pragma unroll
    for (int i = 0; i < 3; i++)
#pragma unroll
        for (int k = 0; k < 3; k++)
            gradient[9 * pose + 3 * i + k] = skew[0] * (m[0][i] * v[1][k] - m[1][i] * v[0][k]) +
                                             skew[1] * (m[0][i] * v[2][k] - m[2][i] * v[0][k]) +
                                             skew[2] * (m[1][i] * v[2][k] - m[2][i] * v[1][k]);
}
