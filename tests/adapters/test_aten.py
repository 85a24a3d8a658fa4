"""Single operations against PyTorch: values and derivatives; and the reduction that XLA compiles wrongly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_checks import library

from ticketlab import UserError
from ticketlab.adapters.aten import ATEN
from ticketlab.adapters.exported_graph import ExportedGraph, _check_same
from ticketlab.adapters.loading import _multiplied_out


def test_the_derivative_of_a_layer_normalisation_is_the_same_compiled():
    """With `jnp.mean` instead of `mean_of_last` it is off by 40 % in jaxlib 0.10.2 on processors."""
    draw = np.random.default_rng(0)
    x, w, p = (draw.standard_normal(s).astype(np.float32) for s in ((5, 17, 16), (16, 10), (1, 17, 16)))
    norm = ATEN["aten.native_layer_norm.default"]

    def f(p):
        return norm(x + p, [16], None, None, 1e-5)[0][:, 0] @ w

    compiled, plain = jax.jit(jax.jacrev(f))(p), jax.jacrev(f)(p)
    assert float(jnp.abs(compiled - plain).max()) < 1e-5 * float(jnp.abs(plain).max())


@pytest.mark.parametrize(("n", "m"), [(2, 50), (3, 75), (14, 20)])
def test_the_nearest_pixel_is_the_nearest(n, m):
    pixels = jnp.arange(n, dtype=jnp.float32)[None]
    (found,) = np.asarray(ATEN["aten.upsample_nearest1d.vec"](pixels, [m], None))
    np.testing.assert_array_equal(found, np.arange(m) * n // m)


def test_derivatives_at_zero_at_bounds_and_of_padding_are_those_of_torch():
    """They are decided by convention, so they are written down here without PyTorch."""
    elu, clamp, embed = (
        ATEN[f"aten.{name}"] for name in ("elu.default", "clamp.Tensor", "embedding.default")
    )
    assert jax.grad(lambda a: elu(a, 0.7, 1.5))(jnp.zeros(())) == pytest.approx(1.05)
    value, slopes = jax.value_and_grad(lambda a, high: clamp(a, None, high), (0, 1))(3.0, 2.0)  # as in PACT
    assert (value, *slopes) == (2.0, 0.0, 1.0)
    assert jax.grad(lambda a, low: clamp(a, low), (0, 1))(2.0, 2.0) == (1.0, 0.0)
    rows = jax.grad(lambda w: embed(w, jnp.array([[0, 1], [1, 2]]), 0).sum())(jnp.ones((3, 2)))
    np.testing.assert_array_equal(rows, [[0, 0], [2, 2], [1, 1]])
    rows = jax.grad(lambda w: embed(w, jnp.array([0, 1])).sum())(jnp.ones((3, 2)))
    np.testing.assert_array_equal(rows, [[1, 1], [1, 1], [0, 0]])


def test_a_buffer_called_mask_is_no_half_of_a_pruned_weight():
    w, m = np.array([2.0, 3.0]), np.array([0.0, 1.0])
    given = {"a.weight_orig": w, "a.weight_mask": m, "attn_mask": m, "b_orig": w, "a.bias": w}
    whole = _multiplied_out(given)
    assert sorted(whole) == ["a.bias", "a.weight", "attn_mask", "b_orig"]
    np.testing.assert_array_equal(whole["a.weight"], [0, 3])


def test_a_fixed_number_stays_one_where_inputs_are_whole():
    graph = ExportedGraph(None, {}, {"scale": "scale"}, {"scale": np.float32([0.5])}, "x")
    assert graph._input("scale", {}, jnp.arange(3)) == 0.5
    assert graph._input("scale", {}, jnp.ones(3, jnp.float16)).dtype == jnp.float16


@pytest.mark.parametrize("largest", [1e-5, 1.0, 100.0])
def test_a_wrong_conversion_is_refused_however_small_the_outputs_are(largest):
    theirs = largest * np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    _check_same("a model", theirs * (1 + 1e-5), theirs, each=False)
    with pytest.raises(UserError, match="those of its conversion"):
        _check_same("a model", theirs * 1.1, theirs, each=False)
    with pytest.raises(UserError, match="one by one"):
        _check_same("a model", -theirs, theirs, each=True)


def operations(torch):
    F = torch.nn.functional
    image = (2, 4, 6, 6)
    kernel = torch.arange(4 * 3 * 9, dtype=torch.float32).reshape(4, 3, 3, 3) / 50 - 1
    return {
        "transposed convolution": (
            lambda a: F.conv_transpose2d(a, kernel, stride=2, padding=1, output_padding=1),
            image,
        ),
        "grouped transposed": (
            lambda a: F.conv_transpose2d(a, kernel, stride=2, groups=2, dilation=2),
            image,
        ),
        "dilated convolution": (lambda a: F.conv2d(a[:, :3], kernel, dilation=2, padding=2, stride=2), image),
        "overlapping max pool": (lambda a: F.max_pool2d(a, 3, 2, 1), image),
        "max pool with a rest": (lambda a: F.max_pool2d(a, 4, 3, ceil_mode=True), image),
        "average pool with padding": (lambda a: F.avg_pool2d(a, 3, 2, 1, ceil_mode=True), image),
        "average pool without padding": (lambda a: F.avg_pool2d(a, 3, 2, 1, count_include_pad=False), image),
        "adaptive pool": (lambda a: F.adaptive_avg_pool2d(a, (4, 5)), image),
        "nearest": (lambda a: F.interpolate(a, scale_factor=1.5), image),
        "nearest to a size": (lambda a: F.interpolate(a, size=(9, 4)), image),
        "group norm": (lambda a: F.group_norm(a, 2, torch.arange(4.0), torch.ones(4)), image),
        "pad and cut": (lambda a: F.pad(a, (1, -2, 0, 3), value=0.5), image),
        "variance": (lambda a: a.var((1, 3)) + a.std((1, 3), unbiased=False), image),
        "norm": (lambda a: a.norm(dim=1) + a.abs().amax(1), image),
        "activations": (
            lambda a: F.elu(a) + F.mish(a) + F.hardswish(a) + F.softplus(3 * a) + F.selu(a) + F.relu6(4 * a),
            image,
        ),
        "more activations": (
            lambda a: F.celu(a) + F.logsigmoid(a) + F.hardsigmoid(a) + F.glu(a, 1).repeat(1, 2, 1, 1),
            image,
        ),
        "attention": (lambda a: F.scaled_dot_product_attention(a, a, a, is_causal=True), image),
        "powers": (
            lambda a: a**3 + (a.abs() + 1) ** 0.5 + (a.abs() + 1).rsqrt() + a.sigmoid().log1p(),
            image,
        ),
        "clamp": (lambda a: a.clamp(-0.5, 0.5) * a.sin() + torch.where(a > 0, a, a.exp()), image),
        "indices": (lambda a: a[:, [0, 2]].flip(2).roll(1, 3)[:, :, ::2, 1:], image),
        "joins": (lambda a: torch.stack([a, a.transpose(2, 3)], 1).cumsum(2).unbind(1)[1], image),
        "extremes": (lambda a: a.max(2).values + a.min(3).values, image),
        "einsum": (lambda a: torch.einsum("nchw,ncwk->nhk", a, a), image),
        "triangles": (lambda a: a.tril() + a.triu(1) + a.masked_fill(a > 1, 0.0), image),
        "products": (lambda a: a.prod(1) + a.mean() + a.sum((2, 3), keepdim=True)[:, 0], image),
        "bilinear layers": (lambda a: F.layer_norm(a, (6, 6)) @ a.transpose(-1, -2), image),
    }


NAMES = [
    "transposed convolution", "grouped transposed", "dilated convolution", "overlapping max pool", "max pool with a rest",
    "average pool with padding", "average pool without padding", "adaptive pool", "nearest", "nearest to a size", "group norm",
    "pad and cut", "variance", "norm", "activations", "more activations", "attention", "powers", "clamp", "indices", "joins",
    "extremes", "einsum", "triangles", "products", "bilinear layers",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_an_operation_is_that_of_torch(name):
    torch = library("torch", "torch")
    from ticketlab.adapters.exported_graph import export

    cases = operations(torch)
    assert list(cases) == NAMES
    function, shape = cases[name]

    class Model(torch.nn.Module):
        def forward(self, a):
            return function(a)

    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    graph = export(Model(), torch.from_numpy(x), name)
    given = torch.from_numpy(x).requires_grad_()
    theirs = function(given)
    weights = np.cos(np.arange(theirs.numel(), dtype=np.float32)).reshape(theirs.shape)
    (theirs * torch.from_numpy(weights)).sum().backward()
    mine, pull = jax.vjp(lambda a: graph({}, a), x)
    for one, other in ((mine, theirs.detach().numpy()), (pull(jnp.asarray(weights))[0], given.grad.numpy())):
        assert one.shape == other.shape
        assert np.abs(np.asarray(one) - other).max() <= 1e-5 * max(1.0, np.abs(other).max())
