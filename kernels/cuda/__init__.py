"""CUDA kernels: their sources, how they are compiled, how they are launched.

A kernel is one function of one `.cu` file, compiled for the types that it meets:

    kernel = Kernel("composite", "paint", {"Real": "float", "Background": "uint8", "Frame": "half_t"})
    launch(kernel, grid=(blocks, 1, 1), block=256, arguments=(rgb, box, np.int32(height)))

`launch` runs it by CuPy on torch's current stream. Tests put another launcher in its place (`use_launcher`), which runs
the same source on the processor: host code and device code are both tested without a GPU.
"""

from turncoat.kernels.cuda.compile import Compiled, Kernel, Resources, compile_cubin
from turncoat.kernels.cuda.launch import available, launch, use_launcher, why_not

__all__ = ["Compiled", "Kernel", "Resources", "available", "compile_cubin", "launch", "use_launcher", "why_not"]
