"""A PyTorch model as a function of JAX arrays: its exported graph, evaluated operation by operation.

`torch.export` traces a model into a graph of some two hundred core operations (ATen), with parameters and buffers as inputs.
Evaluating that graph with JAX's counterparts gives the same function, which JAX can differentiate, vmap and compile. The batch
axis is free: the graph holds for any number of examples. Operations that have no counterpart here are named at once.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.adapters.aten import ATEN
from ticketlab.adapters.user_code import first_line
from ticketlab.errors import UserError

if TYPE_CHECKING:
    import torch

__all__ = ["ExportedGraph", "export"]

IGNORED = ("_assert", "sym_constrain_range")  # of shapes that were checked when the graph was exported
SAME = 1e-4  # of the largest output, or of 1 if that is more; the rounding of deep models in single precision is below
SMALL = 1e-2  # of the largest output, however small it is
DRAWN = ("rand", "bernoulli", "dropout", "normal", "multinomial", "exponential", "uniform")


@dataclass(frozen=True)
class ExportedGraph:
    """The graph of a model in evaluation mode.

    Arguments:
        graph: of `torch.export`, in core operations.
        parameters, constants: the names of what its placeholders stand for: `{placeholder: name in the state}`.
        values: the fixed arrays: buffers, parameters that are not trained, and constants, by name.
        given: the placeholder of the inputs.
        each: whether the graph is that of one example, which is then mapped over a batch.
    """

    graph: Any
    parameters: Mapping[str, str]
    constants: Mapping[str, str]
    values: Mapping[str, np.ndarray]
    given: str
    each: bool = False

    def __call__(self, params: Mapping[str, Any], x: Any) -> Array:
        """The outputs for a batch, with the parameters by name."""
        if self.each:
            return jax.vmap(lambda one: self._evaluated(params, one[None])[0])(jnp.asarray(x))
        return self._evaluated(params, jnp.asarray(x))

    def _evaluated(self, params: Mapping[str, Any], x: Array) -> Array:
        from torch.fx.node import map_arg

        known: dict[Any, Any] = {}
        for node in self.graph.nodes:
            if node.op == "placeholder":
                known[node] = self._input(node.name, params, x)
            elif node.op == "output":
                return map_arg(node.args[0], known.__getitem__)[0]
            elif not _ignored(node.target):
                known[node] = _function(node.target)(
                    *map_arg(node.args, known.get), **map_arg(node.kwargs, known.get)
                )
        raise AssertionError("a graph without outputs")

    def _input(self, placeholder: str, params: Mapping[str, Any], x: Array) -> Any:
        if placeholder == self.given:
            return x
        if placeholder in self.parameters:
            return jnp.asarray(params[self.parameters[placeholder]])
        value = self.values[self.constants[placeholder]]
        # A fixed number of single precision does not bring double precision down, nor the other way round.
        both = value.dtype.kind == "f" and jnp.issubdtype(x.dtype, jnp.floating)
        return jnp.asarray(value, x.dtype if both else None)


def export(module: torch.nn.Module, example: torch.Tensor, name: str) -> ExportedGraph:
    """The graph of a module, which is put into evaluation mode.

    Arguments:
        example: inputs of a few examples.
        name: of the model, for messages.

    Raises:
        UserError: for a model that cannot be exported, that draws random numbers or normalises by batch statistics when
            evaluated, that does not return one array, has an operation without a counterpart, or another precision than single.
    """
    import torch

    _check_single(module, name)
    module.eval()
    free = ({0: torch.export.Dim("n")},)
    each = False
    # Without gradients PyTorch takes fast paths that have no derivatives. Its exporter warns of its own past.
    with torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = module(example)
        except Exception as error:
            raise _not_exported(name, error, example) from error
        if not isinstance(expected, torch.Tensor):
            what = f"{len(expected)} arrays" if isinstance(expected, tuple) else type(expected).__name__
            raise UserError(
                f"{name}, which returns {what}", "one array of outputs [n, k]", "Return the outputs alone."
            )
        try:
            exported = torch.export.export(module, (example,), dynamic_shapes=free).run_decompositions()
        except Exception as error:
            try:  # a model that fixes the size of its batch, by len(x) for example
                exported = torch.export.export(module, (example[:1],)).run_decompositions()
                each = True
            except Exception:
                raise _not_exported(name, error, example) from error
    signature, kinds = exported.graph_signature, torch.export.graph_signature.InputKind
    _check_outputs(signature, name)
    _check_operations(exported.graph, name)
    first = {id(p): n for n, p in module.named_parameters()}  # a tied parameter has its first name
    trained = {n: first[id(p)] for n, p in module.named_parameters(remove_duplicate=False) if p.requires_grad}
    parameters, constants, values, given = {}, {}, {}, []
    for spec in signature.input_specs:
        if spec.kind == kinds.USER_INPUT:
            given.append(spec.arg.name)
        elif spec.kind == kinds.PARAMETER and spec.target in trained:
            parameters[spec.arg.name] = trained[spec.target]
        else:
            constants[spec.arg.name] = spec.target
            held = exported.state_dict if spec.target in exported.state_dict else exported.constants
            values[spec.target] = held[spec.target].detach().cpu().numpy()
    graph = ExportedGraph(exported.graph, parameters, constants, values, given[0], each)
    held = {n: p.detach().cpu().numpy() for n, p in module.named_parameters()}
    _check_same(name, np.asarray(graph(held, example.numpy())), expected.detach().cpu().numpy(), each)
    return graph


def _check_single(module: torch.nn.Module, name: str) -> None:
    import torch

    try:
        types = {p.dtype for p in module.parameters() if p.dtype.is_floating_point and p.numel()}
    except ValueError as error:  # lazy layers
        raise UserError(
            f"{name}, whose parameters have no sizes yet ({first_line(error)})",
            "a model with the sizes of all layers",
            "Give Linear its in_features in the place of LazyLinear, for example.",
        ) from None
    if types & {torch.float64, torch.bfloat16}:
        raise UserError(
            f"{name}, with parameters of {', '.join(sorted(map(str, types)))}",
            "parameters of torch.float32",
            "Call .float() on the model: it is evaluated in single or in double precision, as that is needed.",
        )


def _check_same(name: str, mine: np.ndarray, theirs: np.ndarray, each: bool) -> None:
    """Checks that the graph gives the outputs of the model itself on a batch."""
    away = float(np.abs(mine - theirs).max()) if mine.shape == theirs.shape else np.inf
    largest = float(np.abs(theirs).max())
    if away <= min(SAME * max(largest, 1.0), SMALL * largest) or not np.isfinite(theirs).all():
        return
    if each:
        raise UserError(
            f"{name}, whose outputs differ by {away:.2g} from those of its examples one by one",
            "a function of each example alone",
            "It mixes examples, or decides something by the size of the batch.",
        )
    raise UserError(
        f"{name}, whose outputs differ by {away:.2g} from those of its conversion, of at most {largest:.2g}",
        "the same function",
        "An operation is converted wrongly: please report the model, or write it in Flax or Equinox.",
    )


def _ignored(target: Any) -> bool:
    return any(part in str(target) for part in IGNORED)


def _function(target: Any) -> Callable[..., Any]:
    """The counterpart of an operation; Python's own arithmetic on sizes is its own."""
    return ATEN.get(str(target), target)


def _known(target: Any) -> bool:
    python = getattr(target, "__module__", "") in ("_operator", "math", "torch") and callable(target)
    return _ignored(target) or str(target) in ATEN or (python and not _is_operation(target))


def _is_operation(target: Any) -> bool:
    import torch

    return isinstance(target, torch._ops.OpOverload)


def _check_operations(graph: Any, name: str) -> None:
    targets = {node.target for node in graph.nodes if node.op == "call_function"}
    unknown = sorted(str(t) for t in targets if not _known(t) and t is not operator.getitem)
    drawn = [t for t in unknown if any(word in t.split(".")[1] for word in DRAWN if "." in t)]
    if drawn:
        raise UserError(
            f"{name}, which draws random numbers when it is evaluated ({', '.join(drawn)}): dropout is on",
            "a model whose outputs are a function of its inputs alone after .eval()",
            "Use torch.nn.Dropout, or F.dropout(…, training=self.training).",
        )
    if batch := [t for t in sorted(map(str, targets)) if t.startswith("aten._native_batch_norm_legit.")]:
        raise UserError(
            f"{name}, which normalises by the statistics of the batch ({', '.join(batch)})",
            "batch normalisation with fixed statistics, a function of each example alone",
            "Use BatchNorm with track_running_stats=True: its running statistics are held fixed.",
        )
    if unknown:
        raise UserError(
            f"{name}, with {', '.join(unknown)}, which cannot be converted",
            f"operations among the {len(ATEN)} that have a counterpart in JAX",
            "Write that part of the model with other operations, or write the model in Flax or Equinox.",
        )


def _check_outputs(signature: Any, name: str) -> None:
    import torch

    kinds = [spec.kind for spec in signature.output_specs]
    if torch.export.graph_signature.OutputKind.BUFFER_MUTATION in kinds:
        changed = ", ".join(s.target for s in signature.output_specs if s.target)
        raise UserError(
            f"{name}, which changes its buffers when it is evaluated ({changed})",
            "a pure function of parameters and inputs: batch normalisation in evaluation mode, for one",
            "Do not call .train() in forward.",
        )


def _not_exported(name: str, error: Exception, example: torch.Tensor) -> UserError:
    return UserError(
        f"{name}, which PyTorch cannot run or export on inputs {tuple(example.shape)} "
        f"({type(error).__name__}: {first_line(error)})",
        "a model that takes a batch of any size and decides nothing by the values of its inputs",
        "Images arrive as [n, channels, height, width]. `torch.export.export` says more.",
    )
