"""A bundle in PyTorch, as it stands: the reference, and what runs where nothing else does."""

import copy
from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from turncoat.engine.runtime.graph_session import GraphSession
from turncoat.engine.runtime.reduced import channels_last, reduced
from turncoat.export.bundle import Bundle
from turncoat.export.graphs import Graph, graphs_of
from turncoat.kernels import ConfigError
from turncoat.kernels.device import exact_float32

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class TorchSession(GraphSession):
    """See `Session`: the bundle's network, batch norms folded, channels last, eagerly; any batch runs as it is.

    Args:
        bundle: what to run; its gradient is that of `export.attack_step`, differentiated by autograd.
        precision: "float32"; or "bfloat16" or "float16" for the layers (see `reduced`).
        device: where.

    Raises:
        ConfigError: there is no such precision.
    """

    def __init__(
        self, bundle: Bundle, *, precision: str = "float32", device: torch.device | str = "cpu", backend: str = ""
    ) -> None:
        if precision not in DTYPES:
            raise ConfigError(f"precision is {precision!r}; choose one of {', '.join(DTYPES)}.")
        super().__init__(bundle, backend or f"torch-{precision}", precision, torch.device(device))
        network = channels_last(copy.deepcopy(bundle.network)).to(self.device)
        self.network = network if precision == "float32" else reduced(network, DTYPES[precision])
        self._graphs: dict[str, Graph] = {
            graph.name: graph for graph in graphs_of(self.network, objective=bundle.objective)
        }

    def _rungs(self, graph: str) -> Sequence[int] | None:
        return None

    def _run(self, graph: str, batch: int, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return self._eagerly(graph, inputs)

    def _eagerly(self, graph: str, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        described = self._graphs[graph]
        exact = exact_float32() if self.precision == "float32" and self.device.type == "cuda" else nullcontext()
        with torch.no_grad(), exact:  # the gradients inside are taken under their own `enable_grad`
            found = described.function(*(inputs[name] for name in described.inputs))
        outputs = found if isinstance(found, tuple) else (found,)
        return dict(zip(described.outputs, outputs, strict=True))

    def close(self) -> None:
        super().close()
        self._graphs = {}
        self.__dict__.pop("network", None)
