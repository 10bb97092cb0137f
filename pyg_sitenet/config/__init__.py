"""Every setting of a run; YAML files and ``--set`` map onto them."""

from pyg_sitenet.config.model_settings import ModelConfig
from pyg_sitenet.config.search import search_space
from pyg_sitenet.config.settings import (
    Config,
    DataConfig,
    TrainingConfig,
)
from pyg_sitenet.config.yaml_files import (
    PRESETS,
    dump_config,
    load_config,
    load_preset,
    make_config,
    override,
)

__all__ = [
    "PRESETS",
    "Config",
    "DataConfig",
    "ModelConfig",
    "TrainingConfig",
    "dump_config",
    "load_config",
    "load_preset",
    "make_config",
    "override",
    "search_space",
]
