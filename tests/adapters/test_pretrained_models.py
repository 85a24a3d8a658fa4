"""A user's model that starts at a checkpoint in its own format."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from ticketlab.adapters import OwnModel
from ticketlab.errors import UserError
from ticketlab.networks.pretrained import Pretrained

MODEL = """
import torch
from torch import nn

def make(outputs=3):
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, outputs))
"""
X = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)


@pytest.fixture
def model(tmp_path, request):
    torch = pytest.importorskip("torch")
    file = tmp_path / f"start_{abs(hash(request.node.name))}.py"
    file.write_text(MODEL, encoding="utf-8")
    choice = OwnModel(f"{file}:make")
    choice.build((4,), 3)
    import sys

    module = sys.modules[file.stem].make()
    with torch.no_grad():  # a model that was trained: its statistics are its own
        module.train()
        for _ in range(3):
            module(2 + 3 * torch.from_numpy(X))
    return choice, module.eval(), torch


def state(module):
    return {name: t.detach().numpy().copy() for name, t in module.state_dict().items()}


def test_a_checkpoint_with_batch_statistics_is_the_function(model, tmp_path):
    choice, module, torch = model
    save_file(state(module), tmp_path / "checkpoint.safetensors")
    network = Pretrained(str(tmp_path / "checkpoint.safetensors"), choice).build((4,), 3)
    params = network.init(jax.random.key(0))
    expected = module(torch.from_numpy(X)).detach().numpy()
    assert np.allclose(network.apply(params, jnp.asarray(X)), expected, atol=1e-5)
    assert np.array_equal(params["1.weight"], module[1].weight.detach().numpy())


def test_a_head_for_other_classes_is_drawn_anew(model, tmp_path):
    choice, module, _ = model
    save_file(state(module), tmp_path / "checkpoint.safetensors")
    start = Pretrained(str(tmp_path / "checkpoint.safetensors"), choice)
    assert start.drawn((4,), 2) == ("4.bias", "4.weight")


def test_a_checkpoint_of_another_model_is_refused(model, tmp_path):
    choice, module, _ = model
    start = Pretrained(str(tmp_path / "checkpoint.safetensors"), choice)
    save_file({**state(module), "7.weight": np.zeros(2, np.float32)}, start.start)
    with pytest.raises(UserError, match=r"has not: 7\.weight"):
        start.build((4,), 3)
    save_file({**state(module), "2.running_mean": np.zeros(6, np.float32)}, start.start)
    with pytest.raises(UserError, match="'2.running_mean' has the shape"):
        start.build((4,), 3)
