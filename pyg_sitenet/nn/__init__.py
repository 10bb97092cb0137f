"""The attention block, the model around it, and its parts."""

from pyg_sitenet.nn.conv.site_net_conv import SiteNetConv
from pyg_sitenet.nn.ensemble import SiteNetEnsemble, mean_and_spread, networks_of
from pyg_sitenet.nn.explainable import ExplainableSiteNet
from pyg_sitenet.nn.pooling import weighted_mean_pool
from pyg_sitenet.nn.site_net import SiteNet

__all__ = [
    "ExplainableSiteNet",
    "SiteNet",
    "SiteNetConv",
    "SiteNetEnsemble",
    "mean_and_spread",
    "networks_of",
    "weighted_mean_pool",
]
