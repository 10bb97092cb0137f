from typing import Annotated

from pydantic import BaseModel

from pyg_sitenet.config import Config, ModelConfig, search_space
from pyg_sitenet.config.search import IntRange, LayersRange, LogRange


def test_space_is_that_of_table_1():
    space = search_space(Config)
    assert {name: str(value) for name, value in space.items()} == {
        "model.heads": "1 to 8",
        "model.site_channels_per_head": "4 to 32",
        "model.edge_channels_per_head": "4 to 32",
        "model.blocks": "1 to 3",
        "model.attention_hidden": "0 to 3 layers of 32 to 256",
        "model.pre_pool": "1 to 4 layers of 32 to 256",
        "model.post_pool": "1 to 4 layers of 32 to 256",
        "model.embedding_channels": "1 to 128",
        "model.norm": "layer | batch | none",
        "model.pooling": "mean | max | mean_max | attention",
        "training.learning_rate": "5e-05 to 0.01",
    }


def test_descriptions_say_the_range_of_the_metadata():
    description = ModelConfig.model_json_schema()["properties"]["heads"]["description"]
    assert description == "Attention heads. Searched: 1 to 8."


def test_range_is_taken_from_the_field_wherever_it_is():
    class Inner(BaseModel):
        width: Annotated[int, IntRange(2, 3)] = 2
        other: int = 1

    class Outer(BaseModel):
        inner: Inner = Inner()
        rate: Annotated[float, LogRange(0.1, 1)] = 0.1

    assert search_space(Outer) == {"inner.width": IntRange(2, 3),
                                   "rate": LogRange(0.1, 1)}  # fmt: skip


def test_published_values_lie_in_their_ranges():
    from pyg_sitenet.config import load_preset

    config = load_preset("paper").model
    assert 1 <= config.heads <= 8
    layers = search_space(Config)["model.post_pool"]
    assert isinstance(layers, LayersRange)
    assert layers.layers.low <= len(config.post_pool) <= layers.layers.high
    assert all(layers.width.low <= w <= layers.width.high for w in config.post_pool)
