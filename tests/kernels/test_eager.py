"""Graphs are written from PyTorch's own operators: whoever asks whether tensors are eager is told no meanwhile."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from turncoat.kernels.eager import eager


def told(seen):
    def function(x):
        seen.append(eager(x))
        return x + 1

    return function


def test_tensors_and_parameters_are_eager():
    x = torch.zeros(3, requires_grad=True)
    assert eager(x, x.detach(), torch.nn.Parameter(torch.zeros(2))) and eager()


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace")
def test_what_is_traced_exported_transformed_or_fake_is_not():
    x, seen = torch.zeros(3), []
    for mode in ("real", "fake", "symbolic"):
        make_fx(told(seen), tracing_mode=mode)(x)
    torch.jit.trace(told(seen), x, check_trace=False)
    torch.func.vmap(told(seen))(x)
    torch.func.grad(lambda x: told(seen)(x).sum())(x)

    class Module(torch.nn.Module):
        def forward(self, x):
            return torch.zeros(2) if eager(x) else x + 1

    assert seen and not any(seen)
    exported = torch.export.export(Module(), (x,)).module()
    assert exported(x).shape == (3,)
    compiled = torch.compile(Module(), backend="eager", fullgraph=True)
    assert compiled(x).shape == (3,)
    with FakeTensorMode() as mode:
        fake = torch.zeros(3)
        assert not eager(fake)
    assert mode and not eager(fake) and eager(x)
