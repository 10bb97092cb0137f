"""The attention block, the model around it, and its parts."""

from pyg_sitenet.nn.ensemble import SiteNetEnsemble, mean_and_spread, networks_of
from pyg_sitenet.nn.site_net import SiteNet
from pyg_sitenet.nn.site_net_conv import SiteNetConv

__all__ = [
    "SiteNet",
    "SiteNetConv",
    "SiteNetEnsemble",
    "mean_and_spread",
    "networks_of",
]
