"""Published Site-Net checkpoints become model files of this program."""

from pyg_sitenet.conversion.convert import Converted, convert_checkpoint

__all__ = ["Converted", "convert_checkpoint"]
