"""PyTorch models as networks: the same function and derivatives, the same initialisation, and the way back."""

from typing import Any

import jax
import numpy as np
import pytest
from model_checks import OUTPUTS, SHAPE, inputs, library, near, same_as, tilted, vmapped

from ticketlab import UserError, adapters
from ticketlab.tickets import LayerWise, full_mask, over_parameters, weights_of

torch = library("torch", "torch")

from torch_cases import CASES, ResNet, cnn, mlp, trained_statistics  # noqa: E402 (needs PyTorch)


@pytest.mark.parametrize("name", CASES)
def test_outputs_and_kernel_are_those_of_torch(name, monkeypatch):
    torch.manual_seed(0)
    module = trained_statistics(CASES[name]())
    network = adapters.torch(module, SHAPE, OUTPUTS)
    params = tilted(network.init(jax.random.key(0)))
    module.load_state_dict(
        {n: torch.from_numpy(np.array(a)) for n, a in network.own_format.state(params).items()}
    )
    x = torch.from_numpy(inputs()).permute(0, 3, 1, 2)
    held = {n: p.detach() for n, p in module.named_parameters()}
    # With one thread, oneDNN in PyTorch 2.13 can free memory twice in such a derivative.
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    with torch.nn.attention.sdpa_kernel(
        torch.nn.attention.SDPBackend.MATH
    ):  # the others have no vmapped derivative
        rows = torch.func.jacrev(lambda p: torch.func.functional_call(module, p, (x,)))(held)
    same_as(network, params, module(x).detach().numpy(), {n: a.detach().numpy() for n, a in rows.items()})


@pytest.mark.parametrize("name", ["cnn", "transformer"])
def test_a_factory_draws_as_torch_does_and_is_vmapped(name):
    network = adapters.torch(CASES[name], SHAPE, OUTPUTS)
    vmapped(network)
    one, other = (network.init(jax.random.key(i)) for i in (0, 1))
    assert all(np.any(np.asarray(one[w.name]) != np.asarray(other[w.name])) for w in network.weights)
    bound = max(np.abs(np.asarray(one["head.weight" if name == "transformer" else "10.weight"])).ravel())
    assert 0.5 * 8**-0.5 < bound <= 8**-0.5  # PyTorch's uniform draw for a layer of 8 inputs


def test_drawing_leaves_torchs_own_random_numbers_alone():
    network = adapters.torch(mlp, SHAPE, OUTPUTS)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    jax.block_until_ready(network.init(jax.random.key(0)))
    assert torch.equal(torch.rand(1), expected)


def test_a_module_has_one_start():
    network = adapters.torch(mlp(), SHAPE, OUTPUTS)
    one, other = (network.init(jax.random.key(i)) for i in (0, 1))
    assert all(np.array_equal(one[n], other[n]) for n in one)


def test_masks_cover_what_is_multiplied_in_order_of_use():
    network = adapters.torch(ResNet(), SHAPE, OUTPUTS)
    names = [w.name for w in network.weights]
    assert names[0] == "stem.weight"
    assert names[-1] == "head.weight"
    assert {n for n in names if "norm" in n or "bias" in n} == set()
    assert len(names) == 7


def test_double_precision_follows_the_arrays():
    module = trained_statistics(cnn())
    network = adapters.torch(module, SHAPE, OUTPUTS)
    x = inputs().astype(np.float64)
    with jax.enable_x64(True):
        params = {n: np.asarray(a, np.float64) for n, a in network.init(jax.random.key(0)).items()}
        mine = np.asarray(jax.jit(network.apply)(params, x))
    theirs = module.double()(torch.from_numpy(x).permute(0, 3, 1, 2)).detach().numpy()
    assert mine.dtype == np.float64
    assert np.abs(mine - theirs).max() < 1e-13 * np.abs(theirs).max()


class Tied(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.start, self.one, self.two = torch.nn.Linear(64, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)
        self.two.weight = self.one.weight
        self.end = torch.nn.Linear(8, OUTPUTS)

    def forward(self, x: Any) -> Any:
        return self.end(torch.tanh(self.two(torch.tanh(self.one(self.start(x.flatten(1)))))))


def test_tied_and_fixed_parameters_go_back():
    module = Tied()
    module.start.weight.requires_grad_(False)
    network = adapters.torch(module, SHAPE, OUTPUTS)
    params = tilted(network.init(jax.random.key(0)))
    assert "start.weight" not in params
    assert "two.weight" not in params
    other = Tied()
    other.load_state_dict(
        {n: torch.from_numpy(np.array(a)) for n, a in network.own_format.state(params).items()}
    )
    theirs = other(torch.from_numpy(inputs()).permute(0, 3, 1, 2)).detach().numpy()
    near(jax.jit(network.apply)(params, inputs()), theirs)


class Of(torch.nn.Module):
    """A linear layer, then any function."""

    def __init__(self, then: Any) -> None:
        super().__init__()
        self.layer, self.then = torch.nn.Linear(64, OUTPUTS), then

    def forward(self, x: Any) -> Any:
        return self.then(self.layer(x.flatten(1)))


class Unused(Of):
    def __init__(self) -> None:
        super().__init__(torch.tanh)
        self.extra = torch.nn.Linear(3, 3)


class Drawn(Of):
    def __init__(self) -> None:
        super().__init__(torch.tanh)
        self.register_buffer("shift", torch.randn(3))

    def forward(self, x: Any) -> Any:
        return super().forward(x) + self.shift


REFUSED = {
    "dropout is on": lambda: Of(lambda z: torch.nn.functional.dropout(z, 0.5, training=True)),
    "mixes examples": lambda: Of(lambda z: z - z.mean(0)),
    "statistics of the batch": lambda: Of(torch.nn.BatchNorm1d(3, track_running_stats=False)),
    r"aten\.(cumprod|_linalg_det|linalg_).*cannot be converted": lambda: Of(lambda z: z.cumprod(1)),
    "not finite": lambda: Of(lambda z: (z - z.detach()).sqrt()),
    "do not depend on extra": Unused,
    "cannot run or export": lambda: Of(lambda z: z if z.sum() > 0 else -z),
    "returns 2 arrays": lambda: Of(lambda z: (z, z)),
    "returns dict": lambda: Of(lambda z: {"logits": z}),
    "parameters of torch.float64": lambda: Of(torch.tanh).double(),
    "parameters of torch.bfloat16": lambda: Of(torch.tanh).bfloat16(),
    "no sizes yet": lambda: Of(torch.nn.LazyLinear(3)),
    r"expected \[4, 3\]": lambda: Of(lambda z: z[:, :2]),
    "'shift' is drawn at random": Drawn,
    "a torch.nn.Module": lambda: 3,
    "raised ZeroDivisionError": lambda: 1 / 0,
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_is_no_function_of_each_example_is_refused(said):
    with pytest.raises(UserError, match=said):
        adapters.torch(REFUSED[said], SHAPE, OUTPUTS)


def test_a_ticket_loads_into_torch_pruned_and_dense(tmp_path):
    """`prune.identity` and `load_state_dict` are PyTorch's own; `load_ticket` gives the same model."""
    from safetensors.numpy import save_file
    from safetensors.torch import load_file
    from torch.nn.utils import prune

    network = adapters.torch(cnn, SHAPE, OUTPUTS)
    params = tilted(network.init(jax.random.key(0)))
    mask = LayerWise(0.6).prune(weights_of(network, params), full_mask(network))
    ticket = jax.tree.map(np.multiply, params, over_parameters(mask, params))
    for kind, arrays in network.own_format.files(params, ticket, mask).items():
        save_file(arrays, tmp_path / f"{kind}.safetensors")
    x = torch.from_numpy(inputs()).permute(0, 3, 1, 2)
    expected = np.asarray(jax.jit(network.apply)(ticket, inputs()))

    dense = cnn().eval()
    dense.load_state_dict(load_file(tmp_path / "trained.safetensors"), strict=True)
    pruned = cnn().eval()
    for weight in network.weights:
        prune.identity(pruned.get_submodule(weight.name.removesuffix(".weight")), "weight")
    pruned.load_state_dict(load_file(tmp_path / "trained-pruned.safetensors"), strict=True)
    loaded = adapters.load_ticket(tmp_path / "trained-pruned.safetensors", cnn()).eval()
    for model in (dense, pruned, loaded):
        near(expected, model(x).detach().numpy())
    assert sorted(load_file(tmp_path / "start-pruned.safetensors")) == sorted(pruned.state_dict())
    with pytest.raises(UserError, match="does not fit"):
        adapters.load_ticket(tmp_path / "trained.safetensors", mlp())
