// What every kernel needs: types of pixels, reading and writing them, reductions over a block.
//
// The same text is compiled by NVRTC for GPUs and, in tests, by g++ behind tests/fixtures/emulated/cuda_on_cpu.h. So it
// includes nothing, and asks for no more of CUDA than thread indices, shared memory, barriers and integer atomics.
#pragma once

typedef unsigned char uint8;
typedef unsigned short uint16;
typedef unsigned int uint32;
typedef long long int64;

#ifdef TURNCOAT_ON_CPU
#define SHARED static
#else
#define SHARED __shared__
#endif

// Half-precision numbers travel as their bits, so that no CUDA header is needed.
struct half_t {
    uint16 bits;
};
struct bfloat16_t {
    uint16 bits;
};

__device__ __forceinline__ uint32 bits_of(float value) {
#ifdef TURNCOAT_ON_CPU
    uint32 bits;
    __builtin_memcpy(&bits, &value, 4);
    return bits;
#else
    return __float_as_uint(value);
#endif
}

__device__ __forceinline__ float from_bits(uint32 bits) {
#ifdef TURNCOAT_ON_CPU
    float value;
    __builtin_memcpy(&value, &bits, 4);
    return value;
#else
    return __uint_as_float(bits);
#endif
}

__device__ __forceinline__ float to_float(half_t value) {
#ifdef TURNCOAT_ON_CPU
    _Float16 half;
    __builtin_memcpy(&half, &value.bits, 2);
    return (float)half;
#else
    float result;
    asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(value.bits));
    return result;
#endif
}

__device__ __forceinline__ half_t to_half(float value) {
    half_t result;
#ifdef TURNCOAT_ON_CPU
    _Float16 half = (_Float16)value;
    __builtin_memcpy(&result.bits, &half, 2);
#else
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(result.bits) : "f"(value));
#endif
    return result;
}

__device__ __forceinline__ float to_float(bfloat16_t value) { return from_bits((uint32)value.bits << 16); }

__device__ __forceinline__ bfloat16_t to_bfloat16(float value) {
    uint32 bits = bits_of(value);
    bfloat16_t result;
    bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
    uint32 rounded = bits + 0x7fffu + ((bits >> 16) & 1u);  // to nearest, ties to even
    result.bits = is_nan ? (uint16)0x7fc0 : (uint16)(rounded >> 16);
    return result;
}

// To the nearest whole number, ties to even.
__device__ __forceinline__ float nearest(float value) { return rintf(value); }
__device__ __forceinline__ double nearest(double value) { return rint(value); }

// A pixel or a coordinate as the type that is computed in (float, or double for the proofs). Bytes are colours: x / 255.
template <typename Real, typename Stored>
struct Convert {
    static __device__ __forceinline__ Real read(Stored value) { return (Real)value; }
    static __device__ __forceinline__ Stored write(Real value) { return (Stored)value; }
};

template <typename Real>
struct Convert<Real, uint8> {
    static __device__ __forceinline__ Real read(uint8 value) { return (Real)value * ((Real)1 / (Real)255); }
    static __device__ __forceinline__ uint8 write(Real value) {
        Real scaled = value * (Real)255;
        scaled = scaled > (Real)0 ? (scaled < (Real)255 ? scaled : (Real)255) : (Real)0;  // NaN becomes 0
        return (uint8)(int)nearest(scaled);
    }
};

template <typename Real>
struct Convert<Real, half_t> {
    static __device__ __forceinline__ Real read(half_t value) { return (Real)to_float(value); }
    static __device__ __forceinline__ half_t write(Real value) { return to_half((float)value); }
};

template <typename Real>
struct Convert<Real, bfloat16_t> {
    static __device__ __forceinline__ Real read(bfloat16_t value) { return (Real)to_float(value); }
    static __device__ __forceinline__ bfloat16_t write(Real value) { return to_bfloat16((float)value); }
};

template <typename Real, typename Stored>
__device__ __forceinline__ Real load(const Stored* pointer, int64 index) {
    return Convert<Real, Stored>::read(pointer[index]);
}

template <typename Stored, typename Real>
__device__ __forceinline__ void store(Stored* pointer, int64 index, Real value) {
    pointer[index] = Convert<Real, Stored>::write(value);
}

template <typename Real>
__device__ __forceinline__ Real smaller(Real a, Real b) {
    return b < a ? b : a;
}

template <typename Real>
__device__ __forceinline__ Real larger(Real a, Real b) {
    return b > a ? b : a;
}

template <typename Real>
__device__ __forceinline__ Real within(Real value, Real low, Real high) {  // NaN stays NaN
    return value < low ? low : (value > high ? high : value);
}

// Sum over the THREADS threads of a block (a power of two), in an order that does not depend on timing; every thread
// gets it. All threads of the block must call it.
template <int THREADS, typename Real>
__device__ __forceinline__ Real block_sum(Real value, Real* scratch) {
    int thread = threadIdx.x;
    __syncthreads();  // scratch may still be read by an earlier call
    scratch[thread] = value;
    __syncthreads();
    for (int stride = THREADS / 2; stride > 0; stride /= 2) {
        if (thread < stride) scratch[thread] += scratch[thread + stride];
        __syncthreads();
    }
    return scratch[0];
}

// The same for the largest value; a NaN wins over every number.
template <int THREADS, typename Real>
__device__ __forceinline__ Real block_max(Real value, Real* scratch) {
    int thread = threadIdx.x;
    __syncthreads();
    scratch[thread] = value;
    __syncthreads();
    for (int stride = THREADS / 2; stride > 0; stride /= 2) {
        if (thread < stride) {
            Real other = scratch[thread + stride];
            if (other > scratch[thread] || other != other) scratch[thread] = other;
        }
        __syncthreads();
    }
    return scratch[0];
}
