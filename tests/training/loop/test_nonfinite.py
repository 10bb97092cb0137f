"""Steps that are not finite: skipped as if they were not there, or an error."""

from __future__ import annotations

import logging
import warnings

import pytest
import torch
from ase.build import bulk
from lightning.pytorch import Trainer
from lightning.pytorch.plugins import MixedPrecision
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from pyg_sitenet.config import ModelConfig, TrainingConfig
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.errors import SiteNetError
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.training import SiteNetModule
from pyg_sitenet.training.loop.nonfinite import NonFiniteGuard, _are_finite


def _graph(name: str, y: float) -> Data:
    data = encode_structure(bulk(name), max_atoms=8)
    data.y, data.id = torch.tensor([[y]]), name
    return data


def _fit(
    graphs: list[Data],
    options: dict[str, object] | None = None,
    factor: float = 1.0,
    **settings: object,
) -> tuple[SiteNetModule, NonFiniteGuard]:
    """Train for an epoch of batches of one crystal.

    The options are those of the trainer; the factor is that of a gradient.
    """
    config = TrainingConfig.model_validate(settings)
    torch.manual_seed(0)
    model = SiteNet(ModelConfig(attention_hidden=(8,), post_pool=(8,)))
    module = SiteNetModule(model, config, ["gap"], torch.tensor([[1.0], [2.0]]), 1)
    model.readout.linear.weight.register_hook(lambda gradient: gradient * factor)
    guard = NonFiniteGuard(config)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=1,
        callbacks=[guard],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accumulate_grad_batches=config.accumulate,
        **(options or {}),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice about workers
        trainer.fit(module, DataLoader(graphs, batch_size=1))
    return module, guard


@pytest.mark.parametrize("extreme", [float("inf"), -float("inf")])
def test_skipped_step_leaves_the_weights_as_if_it_was_not_there(
    extreme: float, caplog: pytest.LogCaptureFixture
) -> None:
    good = [_graph("Si", 1.0), _graph("Ge", 2.0)]
    bad = [good[0], _graph("Cu", extreme), good[1]]
    with caplog.at_level(logging.WARNING):
        skipped, guard = _fit(bad, on_nonfinite="skip")
    expected, _ = _fit(good)
    assert guard.num_skipped == 1
    assert "in epoch 1 (batch with Cu); the step is skipped" in caplog.text
    for name, weight in expected.model.state_dict().items():
        if name != "site_embedding.elements.weight":  # its rows are limited when used
            assert torch.equal(weight, skipped.model.state_dict()[name]), name


def test_number_of_skipped_steps_is_limited() -> None:
    graphs = [_graph("Cu", float("inf")) for _ in range(4)]
    with pytest.raises(SiteNetError, match="3 steps were skipped, more than"):
        _fit(graphs, on_nonfinite="skip", nonfinite_limit=2)


def test_step_that_is_not_finite_is_an_error_that_names_the_crystal() -> None:
    message = r"the loss became (inf|nan) in epoch 1 \(batch with Cu\); lower"
    with pytest.raises(SiteNetError, match=message):
        _fit([_graph("Si", 1.0), _graph("Cu", float("inf"))])


def test_loss_that_is_not_finite_is_told_from_a_gradient() -> None:
    with pytest.raises(SiteNetError, match=r"a gradient is not finite .* with Si\)"):
        _fit([_graph("Si", 1.0)], factor=float("inf"))
    bad = [_graph("Cu", float("inf")), _graph("Si", 1.0)]  # not of the last batch
    with pytest.raises(SiteNetError, match=r"the loss became .* with Cu, Si\)"):
        _fit(bad, accumulate=2)


@pytest.mark.filterwarnings("ignore:.*fp16 is not supported on CPU")
def test_gradient_that_is_not_finite_is_an_error_without_a_scaler() -> None:
    # On the CPU Lightning takes bfloat16 for float16, which needs no scaler.
    options = {"precision": "16-mixed"}
    with pytest.raises(SiteNetError, match="a gradient is not finite in epoch 1"):
        _fit([_graph("Si", 1.0)], options, float("inf"), precision="float16")


def test_overflow_is_left_to_a_scaler_and_a_loss_is_not() -> None:
    def scaled() -> dict[str, object]:
        scaler = torch.amp.GradScaler("cpu")
        return {"plugins": [MixedPrecision("16-mixed", "cpu", scaler)]}

    before, _ = _fit([])
    module, guard = _fit([_graph("Si", 1.0)], scaled(), float("inf"))
    assert guard.num_skipped == 0
    assert torch.equal(
        before.model.readout.linear.weight, module.model.readout.linear.weight
    )
    with pytest.raises(SiteNetError, match="the loss became"):
        _fit([_graph("Cu", float("inf"))], scaled())


def test_count_of_skipped_steps_is_part_of_a_checkpoint() -> None:
    guard = NonFiniteGuard(TrainingConfig())
    guard.load_state_dict({"num_skipped": 3})
    assert guard.state_dict() == {"num_skipped": 3}


def test_large_gradients_are_finite_though_their_norm_is_not():
    def are_finite(*gradients: torch.Tensor) -> bool:
        return _are_finite(gradients, torch.nn.utils.get_total_norm(gradients))

    large = torch.full((4,), 1e30)
    assert torch.nn.utils.get_total_norm([large]).isinf()
    assert are_finite(large)
    assert not are_finite(large, torch.tensor([torch.inf]))
    assert not are_finite(torch.tensor([torch.nan]))
    assert are_finite()


def test_gradients_are_clipped_by_the_norm_that_was_looked_at():
    module, _ = _fit([])
    optimizer = module.configure_optimizers()["optimizer"]
    weights = [w for w in module.parameters() if w.requires_grad]
    generator = torch.Generator().manual_seed(0)
    for weight in weights:
        weight.grad = torch.randn(weight.shape, generator=generator)
    expected = [weight.grad.clone().requires_grad_() for weight in weights]
    for gradient in expected:
        gradient.grad = gradient.detach().clone()
    torch.nn.utils.clip_grad_norm_(expected, 0.5)
    gradients = [weight.grad for weight in weights]
    module.gradient_norm = torch.nn.utils.get_total_norm(gradients)
    module.configure_gradient_clipping(optimizer, 0.5)
    assert module.gradient_norm is None  # is that of one step alone
    for weight, clipped in zip(weights, expected, strict=True):
        assert torch.equal(weight.grad, clipped.grad)
