// Bilinear sampling with aligned corners along one axis, and the way back: which grid positions touch a pixel.
//
// A grid of `size` positions in [-1, 1] reads `pixels` pixels at (scale * u + shift + 1) * (pixels - 1) / 2.
#pragma once

// Arithmetic that a compiler must not merge: the same position and the same mask come out in every kernel, bit for bit.
__device__ __forceinline__ float plus(float a, float b) {
#ifdef TURNCOAT_ON_CPU
    return a + b;
#else
    return __fadd_rn(a, b);
#endif
}
__device__ __forceinline__ float times(float a, float b) {
#ifdef TURNCOAT_ON_CPU
    return a * b;
#else
    return __fmul_rn(a, b);
#endif
}
__device__ __forceinline__ double plus(double a, double b) {
#ifdef TURNCOAT_ON_CPU
    return a + b;
#else
    return __dadd_rn(a, b);
#endif
}
__device__ __forceinline__ double times(double a, double b) {
#ifdef TURNCOAT_ON_CPU
    return a * b;
#else
    return __dmul_rn(a, b);
#endif
}

template <typename Real>
__device__ __forceinline__ Real not_a_number() {
    return (Real)from_bits(0x7fc00000u);
}

// The two pixels beside a position, `left` and `left + 1`, and how far it is from the left one, in [0, 1).
template <typename Real>
struct Tap {
    int left;
    Real share;
    bool first, second;  // whether the two pixels exist
    bool free;           // whether a nudge of the position changes what is read (false at and beyond a repeated border)

    __device__ __forceinline__ Real low() const { return first ? plus((Real)1, -share) : (Real)0; }
    __device__ __forceinline__ Real high() const { return second ? share : (Real)0; }
    __device__ __forceinline__ bool touches() const { return first || second; }
};

template <typename Real>
struct Axis {
    Real scale, shift, half, step;
    int size, pixels;

    __device__ __forceinline__ Axis(Real scale_, Real shift_, int size_, int pixels_)
        : scale(scale_), shift(shift_), size(size_), pixels(pixels_) {
        half = (Real)(pixels_ - 1) / (Real)2;
        step = size_ > 1 ? (Real)2 / (Real)(size_ - 1) : (Real)0;
    }

    // Of grid position k: counted from the nearer end, as torch.linspace does.
    __device__ __forceinline__ Real grid(int k) const {
        if (size == 1 || 2 * k < size) return plus((Real)-1, times(step, (Real)k));
        return plus((Real)1, -times(step, (Real)(size - 1 - k)));
    }

    // In pixels; may lie outside, and be NaN.
    __device__ __forceinline__ Real position(int k) const {
        return times(plus(plus(times(scale, grid(k)), shift), (Real)1), half);
    }

    __device__ __forceinline__ Tap<Real> tap(Real at, bool border) const {
        Tap<Real> result;
        Real last = (Real)(pixels - 1);
        result.free = !border || (at > 0 && at < last);
        if (border) at = at > 0 ? (at < last ? at : last) : (Real)0;
        at = at > (Real)-2 ? (at < last + 2 ? at : last + 2) : (Real)-2;  // NaN reads nothing
        Real below = floor(at);
        result.left = (int)below;
        result.share = plus(at, -below);
        result.first = result.left >= 0 && result.left < pixels;
        result.second = result.left >= -1 && result.left < pixels - 1;
        return result;
    }

    // How much pixel i counts at a position.
    __device__ __forceinline__ Real hat(Real at, int i, bool border) const {
        Real last = (Real)(pixels - 1);
        if (border) at = at > 0 ? (at < last ? at : last) : (Real)0;
        Real away = at - (Real)i;
        Real weight = (Real)1 - (away < 0 ? -away : away);
        return weight > 0 ? weight : (Real)0;
    }

    // Grid positions first..last are all that may touch pixels i..j; one more on each side, against rounding.
    __device__ __forceinline__ void range(int i, int j, bool border, int* first, int* last) const {
        *first = 0;
        *last = size - 1;
        if (size == 1 || pixels == 1 || scale == 0) return;
        bool open_low = border && i == 0, open_high = border && j == pixels - 1;
        // Position at reads grid position ((at / half - 1 - shift) / scale + 1) * (size - 1) / 2.
        Real slope = (Real)(size - 1) / (2 * scale * half), zero = (Real)(size - 1) / 2 - slope * half * (1 + shift);
        Real a = slope * (Real)(i - 1) + zero, b = slope * (Real)(j + 1) + zero;
        if (scale < 0) {
            Real swap = a;
            a = b;
            b = swap;
            bool open = open_low;
            open_low = open_high;
            open_high = open;
        }
        if (!open_low) *first = whole(floor(a) - 1);
        if (!open_high) *last = whole(ceil(b) + 1);
    }

    __device__ __forceinline__ int whole(Real k) const {
        return (int)(k > 0 ? (k < (Real)(size - 1) ? k : (Real)(size - 1)) : (Real)0);
    }
};

// What a plane holds at two taps: the value, and how it changes with the position along x and y.
template <typename Real>
struct Sample {
    Real value, along_x, along_y;
};

template <typename Real, typename Stored>
__device__ __forceinline__ Sample<Real> sample(const Stored* plane, int width, const Tap<Real>& x, const Tap<Real>& y) {
    Real a = 0, b = 0, c = 0, d = 0;
    int at = y.left * width + x.left;
    if (y.first && x.first) a = load<Real>(plane, at);
    if (y.first && x.second) b = load<Real>(plane, at + 1);
    if (y.second && x.first) c = load<Real>(plane, at + width);
    if (y.second && x.second) d = load<Real>(plane, at + width + 1);
    Real right = x.share, left = plus((Real)1, -right), low = y.share, up = plus((Real)1, -low);
    Sample<Real> result;
    Real top = plus(times(a, left), times(b, right)), bottom = plus(times(c, left), times(d, right));
    result.value = plus(times(top, up), times(bottom, low));
    result.along_x = x.free ? (b - a) * up + (d - c) * low : (Real)0;
    result.along_y = y.free ? bottom - top : (Real)0;
    return result;
}

// The same with the border repeated, at taps that were made without: they touch the plane, so one pixel more is enough.
template <typename Real, typename Stored>
__device__ __forceinline__ Sample<Real> sample_repeated(const Stored* plane, int height, int width, const Tap<Real>& x,
                                                        const Tap<Real>& y) {
    const Stored* top = plane + (y.first ? y.left : 0) * width;
    const Stored* bottom = plane + (y.second ? y.left + 1 : height - 1) * width;
    int left = x.first ? x.left : 0, right = x.second ? x.left + 1 : width - 1;
    Real a = load<Real>(top, left), b = load<Real>(top, right);
    Real c = load<Real>(bottom, left), d = load<Real>(bottom, right);
    Real up = plus((Real)1, -y.share), before = plus((Real)1, -x.share);
    Real high = plus(times(a, before), times(b, x.share)), low = plus(times(c, before), times(d, x.share));
    Sample<Real> result;
    result.value = plus(times(high, up), times(low, y.share));
    result.along_x = (b - a) * up + (d - c) * y.share;
    result.along_y = low - high;
    return result;
}

// The inverse of a crop box along one axis: how the frame is spread over the crop.
template <typename Real>
struct Box {
    Real scale_x, scale_y, shift_x, shift_y;
    bool usable;  // scales above 0 and everything finite

    __device__ __forceinline__ Box(const Real* box, int64 sample) {
        Real a = box[4 * sample], b = box[4 * sample + 1], c = box[4 * sample + 2], d = box[4 * sample + 3];
        usable = a > 0 && b > 0 && a - a == 0 && b - b == 0 && c - c == 0 && d - d == 0;
        scale_x = (Real)1 / a;
        scale_y = (Real)1 / b;
        shift_x = -c / a;
        shift_y = -d / b;
    }
};

// A crop's colour over what lies behind it, in the order of the reference.
template <typename Real>
__device__ __forceinline__ Real blend(Real mask, Real colour, Real behind) {
    return plus(times(mask, colour), times(plus((Real)1, -mask), behind));
}

// Four neighbours, read and written at once where memory allows it.
template <typename Stored>
struct alignas(4 * sizeof(Stored)) Four {
    Stored at[4];
};

template <typename Real, typename Stored>
__device__ __forceinline__ void load_four(const Stored* plane, int64 begin, int count, bool aligned, Real* values) {
    if (aligned) {
        Four<Stored> four = *(const Four<Stored>*)(plane + begin);
#pragma unroll
        for (int k = 0; k < 4; k++) values[k] = Convert<Real, Stored>::read(four.at[k]);
    } else {
#pragma unroll
        for (int k = 0; k < 4; k++) values[k] = k < count ? load<Real>(plane, begin + k) : (Real)0;
    }
}

template <typename Stored, typename Real>
__device__ __forceinline__ void store_four(Stored* plane, int64 begin, int count, bool aligned, const Real* values) {
    if (aligned) {
        Four<Stored> four;
#pragma unroll
        for (int k = 0; k < 4; k++) four.at[k] = Convert<Real, Stored>::write(values[k]);
        *(Four<Stored>*)(plane + begin) = four;
    } else {
#pragma unroll
        for (int k = 0; k < 4; k++)
            if (k < count) store(plane, begin + k, values[k]);
    }
}

// Sums of N <= 16 numbers over the 256 threads of a block, in an order that does not depend on timing; thread n < N gets
// the n-th. `scratch` holds N * 256 + N * 16 numbers, the n-th of a thread at scratch[n * 256 + thread], written by that
// thread. All threads must call it.
template <int N, typename Real>
__device__ __forceinline__ Real block_sums(Real* scratch) {
    int thread = threadIdx.x;
    Real* parts = scratch + N * 256;
    __syncthreads();
    if (thread < N * 16) {
        Real sum = 0;
        for (int k = 0; k < 16; k++) sum += scratch[thread / 16 * 256 + k * 16 + thread % 16];
        parts[thread] = sum;
    }
    __syncthreads();
    Real total = 0;
    if (thread < N)
        for (int k = 0; k < 16; k++) total += parts[thread * 16 + k];
    return total;
}

// The same of numbers in registers.
template <int N, typename Real>
__device__ __forceinline__ Real block_sums(const Real* values, Real* scratch) {
    __syncthreads();  // scratch may still be read by an earlier call
#pragma unroll
    for (int n = 0; n < N; n++) scratch[n * 256 + threadIdx.x] = values[n];
    return block_sums<N>(scratch);
}
