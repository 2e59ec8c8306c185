"""How CUDA sources become code; and the emulation that stands in for a GPU catches what a GPU would not forgive."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures.emulated import EmulationError, on_the_processor
from turncoat.kernels.cuda import Kernel, available, compile_cubin, launch
from turncoat.kernels.cuda import compile as compiling
from turncoat.kernels.errors import EngineError

PLAIN = """
#include "common.cuh"
#include "types"
extern "C" __global__ void __launch_bounds__(64) largest_and_sum(
    const Stored* __restrict__ x, int n, Real* sums, Real* most) {
    SHARED Real scratch[64];
    Real sum = 0, best = -1e30f;
    for (int i = threadIdx.x; i < n; i += 64) {
        Real value = load<Real>(x, (int64)blockIdx.x * n + i);
        sum += value;
        best = larger(best, value);
    }
    sum = block_sum<64>(sum, scratch);
    best = block_max<64>(best, scratch);
    if (threadIdx.x == 0) {
        sums[blockIdx.x] = sum;
        most[blockIdx.x] = best;
    }
}
extern "C" __global__ void copy(const Stored* x, int n, Stored* y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) store(y, i, load<float>(x, i));
}
extern "C" __global__ void no_barrier(const float* x, float* y) {
    SHARED float shared[32];
    shared[threadIdx.x] = x[threadIdx.x];
    y[threadIdx.x] = shared[31 - threadIdx.x];
}
extern "C" __global__ void parted(float* y) {
    if (threadIdx.x < 16) __syncthreads();
    y[threadIdx.x] = 1;
}
extern "C" __global__ void past_the_end(float* y) { y[threadIdx.x] = 1; }
extern "C" __global__ void reads_past_the_end(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x]; }
"""
KINDS = {torch.float16: "half_t", torch.bfloat16: "bfloat16_t", torch.uint8: "uint8", torch.float32: "float"}


@pytest.fixture(autouse=True)
def _sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tried.cu").write_text(PLAIN, encoding="utf-8")
    (tmp_path / "broken.cu").write_text("__global__ void f() { nonsense }", encoding="utf-8")
    (tmp_path / "lost.cu").write_text('#include "nowhere.cuh"\n', encoding="utf-8")
    monkeypatch.setattr(compiling, "FOLDERS", [*compiling.FOLDERS, tmp_path])
    compiling.source_of.cache_clear()
    compiling._with_types.cache_clear()


def tried(name: str, stored: str = "float") -> Kernel:
    return Kernel("tried", name, {"Real": "float", "Stored": stored})


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("backward", [False, True])
def test_pixels_of_every_type_are_read_and_reduced(dtype: torch.dtype, backward: bool) -> None:
    torch.manual_seed(0)
    x = (255 * torch.rand(3, 500)).to(dtype) if dtype is torch.uint8 else torch.randn(3, 500).to(dtype)
    read = x.float() / (255 if dtype is torch.uint8 else 1)
    sums, most = torch.full((3,), torch.nan), torch.full((3,), torch.nan)
    with on_the_processor(backward=backward):
        arguments = (x, np.int32(500), sums, most)
        launch(tried("largest_and_sum", KINDS[dtype]), grid=(3, 1, 1), block=64, arguments=arguments)
    torch.testing.assert_close(sums, read.sum(1), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(most, read.amax(1), rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", KINDS)
def test_what_is_written_is_what_torch_rounds_to(dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    wide = torch.cat([torch.randn(1000) * 100, torch.tensor([0.0, 1e-8, 6e-5, torch.inf, -torch.inf])])
    x = torch.arange(256).to(dtype) if dtype is torch.uint8 else wide.to(dtype)
    y = torch.zeros_like(x)
    with on_the_processor():
        launch(tried("copy", KINDS[dtype]), grid=(9, 1, 1), block=128, arguments=(x, np.int32(len(x)), y))
    assert torch.equal(x, y)


def test_a_source_compiles_for_every_generation_and_says_what_it_needs() -> None:
    for architecture in ("sm_80", "sm_90", "sm_120"):
        compiled = compile_cubin(tried("copy", "half_t"), architecture)
        assert compiled.code[:4] == b"\x7fELF"
        found = compiled.resources["largest_and_sum"]
        assert 0 < found.registers <= 64 and found.spilled == 0 and found.shared == 256


def test_registers_that_spill_are_counted() -> None:
    log = (
        "ptxas info    : Compiling entry function 'k' for 'sm_90'\n"
        "ptxas         .     256 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads\n"
        "ptxas info    : Used 72 registers, used 1 barriers, 256 bytes cumulative stack size, 64 bytes smem\n"
    )
    assert compiling.read_resources(log) == {"k": compiling.Resources(72, 256, 20, 64)}


def test_bad_sources_are_refused_with_the_compilers_words() -> None:
    with pytest.raises(EngineError, match=r"broken.cu does not compile for sm_90:(.|\n)*nonsense"):
        compile_cubin(Kernel("broken", "f"), "sm_90")
    with pytest.raises(EngineError, match=r"lost.cu includes 'nowhere.cuh'"):
        compile_cubin(Kernel("lost", "f"), "sm_90")
    with pytest.raises(EngineError, match=r"0 CUDA sources called missing.cu"):
        compile_cubin(Kernel("missing", "f"), "sm_90")


def test_the_emulation_catches_a_missing_barrier() -> None:
    x = torch.arange(32.0)
    found = []
    for backward in (False, True):
        y = torch.full((32,), torch.nan)
        with on_the_processor(backward=backward):
            launch(tried("no_barrier"), grid=(1, 1, 1), block=32, arguments=(x, y))
        found.append(torch.equal(y, x.flip(0)))
    assert found != [True, True]


def test_the_emulation_catches_threads_that_part_at_a_barrier() -> None:
    with on_the_processor(), pytest.raises(EmulationError, match="part at a barrier"):
        launch(tried("parted"), grid=(1, 1, 1), block=32, arguments=(torch.zeros(32),))


def test_the_emulation_catches_what_lies_outside_of_arrays() -> None:
    with on_the_processor(), pytest.raises(EmulationError, match="writes past an end of its tensor 0"):
        launch(tried("past_the_end"), grid=(1, 1, 1), block=32, arguments=(torch.zeros(31),))
    y = torch.zeros(32)
    with on_the_processor():
        launch(tried("reads_past_the_end"), grid=(1, 1, 1), block=32, arguments=(torch.zeros(31), y))
    assert y[:31].eq(0).all() and y[31].isnan()


def test_kernels_are_launched_on_contiguous_tensors_of_a_gpu_only() -> None:
    assert not available(torch.zeros(3))
    with on_the_processor():
        assert available(torch.zeros(3))
        with pytest.raises(ValueError, match=r"Argument 0 of past_the_end, \(4, 8\) with strides \(1, 4\), is not"):
            launch(tried("past_the_end"), grid=(1, 1, 1), block=32, arguments=(torch.zeros(8, 4).T,))
        launch(tried("past_the_end"), grid=(0, 1, 1), block=32, arguments=(torch.zeros(0),))
