import pytest
import torch

from pyg_sitenet.config import ModelConfig
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.nn import SiteNet, SiteNetEnsemble, mean_and_spread

SMALL = ModelConfig(heads=2, attention_hidden=(8,), pre_pool=(8,), post_pool=(8,))


def _member(seed, config=SMALL):
    torch.manual_seed(seed)
    return SiteNet(config, num_targets=2).eval()


def test_ensemble_answers_mean_and_standard_deviation_of_its_members(rutile):
    members = [_member(seed) for seed in range(3)]
    data = encode_structure(rutile, max_atoms=20)
    alone = torch.stack([member(data) for member in members])  # [3, 1, 2]
    mean, spread = mean_and_spread(SiteNetEnsemble(members), data)
    assert torch.allclose(mean, alone.sum(0) / 3)
    by_hand = ((alone - alone.mean(0)) ** 2).sum(0) / 2
    assert torch.allclose(spread, by_hand.sqrt())


def test_single_network_has_no_spread(rutile):
    model, data = _member(0), encode_structure(rutile, max_atoms=20)
    mean, spread = mean_and_spread(model, data)
    assert torch.equal(mean, model(data))
    assert spread is None


def test_one_member_is_no_ensemble():
    with pytest.raises(ValueError, match=r"two or more, got 1"):
        SiteNetEnsemble([_member(0)])


def test_members_of_different_sizes_are_refused():
    other = SMALL.model_copy(update={"heads": 1})
    with pytest.raises(ValueError, match="one configuration"):
        SiteNetEnsemble([_member(0), _member(1, other)])


def test_members_have_the_same_outputs():
    one = SiteNet(SMALL, num_targets=1)
    with pytest.raises(ValueError, match="`members` must have the same outputs"):
        SiteNetEnsemble([_member(0), one])
