"""From a Python function to a graph of operators that inference engines know, its gradient included."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from turncoat.export.decompositions import decompositions

_SMALL = 1 << 14  # elements; larger constants that no weight is part of are made by the graph, not stored
_TURNED = (torch.ops.aten.permute.default, torch.ops.aten.t.default, torch.ops.aten.transpose.int)


def trace(
    function: Callable[..., Any],
    arguments: Sequence[Tensor],
    table: dict[Any, Callable[..., Any]] | None = None,
) -> fx.GraphModule:
    """Record what `function` does to `arguments`, `torch.autograd.grad` inside it included.

    Args:
        function: takes and returns tensors; weights may be anywhere in its closure, but frozen.
        arguments: examples. Their sizes become constants of the graph.
        table: how operators are written, for whoever wants others than the core operators that engines know.

    Returns:
        a graph of operators; what depends on weights alone is computed here, once.
    """
    table = decompositions() if table is None else table
    module = make_fx(lambda *given: function(*given), decomposition_table=table)(*arguments)
    fold_constants(module)
    return module.eval()


def fold_constants(module: fx.GraphModule) -> None:
    """Compute here whatever does not depend on the arguments: flipped weights, hat matrices, grids of positions.

    A plain transposition of a matrix stays in the graph, where it costs nothing and the weight is stored once.
    """
    known: dict[fx.Node, Any] = {}
    weighty: set[fx.Node] = set()  # constants that a weight is part of
    for node in list(module.graph.nodes):
        if node.op == "get_attr":
            known[node] = getattr(module, str(node.target))
            weighty.add(node)
        elif node.op == "call_function" and all(n in known for n in node.all_input_nodes):
            value = node.target(
                *pytree.tree_map(lambda a: _value(a, known), node.args),
                **pytree.tree_map(lambda a: _value(a, known), node.kwargs),
            )
            from_weights = any(n in weighty for n in node.all_input_nodes)
            if isinstance(value, Tensor) and _worth_storing(value, node, known):
                known[node] = value
                if from_weights:
                    weighty.add(node)
    kept: dict[tuple[Any, ...], str] = {}
    for node in list(module.graph.nodes):
        if node in known and node.op == "call_function" and any(user not in known for user in node.users):
            if node.target in _TURNED and known[node].ndim == 2 and node.all_input_nodes[0] in weighty:
                continue
            name = f"constant{len(kept)}"
            value = known[node].detach().contiguous()
            module.register_buffer(name, value)
            kept[(name,)] = name
            with module.graph.inserting_before(node):
                constant = module.graph.get_attr(name)
                constant.meta = dict(node.meta)
            node.replace_all_uses_with(constant, delete_user_cb=lambda user: user not in known)
    module.graph.eliminate_dead_code()
    module.delete_all_unused_submodules()
    module.recompile()


def _worth_storing(value: Tensor, node: fx.Node, known: dict[fx.Node, Any]) -> bool:
    """What is no longer than what it is made of, or short; copies along a batch are made by the graph."""
    source = max((known[n].numel() for n in node.all_input_nodes), default=0)
    return value.numel() <= source or (value.numel() <= _SMALL and node.target is not torch.ops.aten.expand.default)


def _value(argument: Any, known: dict[fx.Node, Any]) -> Any:
    return known[argument] if isinstance(argument, fx.Node) else argument
