"""Published Site-Net weights: their names, and ours."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from pyg_sitenet.errors import ModelFileError
from pyg_sitenet.nn.embedding import NUM_ELEMENT_ROWS
from pyg_sitenet.nn.pairs.pair_linear import joined_form

_PUBLISHED_NAMES = (
    (r"site_embedding\.elements\.", r"Elemental_Embeddings."),
    (r"site_embedding\.layer\.0\.", r"encoder.site_featurization."),
    (r"site_embedding\.layer\.2\.", r"encoder.site_featurization_norm.Norm."),
    (r"edge_embedding\.layer\.0\.", r"encoder.interaction_featurization."),
    (r"edge_embedding\.layer\.2\.", r"encoder.interaction_featurization_norm.Norm."),
    (r"blocks\.(\d+)\.", r"encoder.Attention_Blocks.\1."),
    (r"\.attention\.norm\.", r".ije_to_multihead.norm_layers.0.Norm."),
    (r"\.attention\.linear\.", r".ije_to_multihead.linear_layers.0."),
    (r"\.value\.norm\.", r".ije_to_attention_features.norm_layers.0.Norm."),
    (r"\.value\.linear\.", r".ije_to_attention_features.linear_layers.0."),
    (r"\.edge\.norm\.", r".ije_to_Interaction_Features.norm_layers.0.Norm."),
    (r"\.edge\.linear\.", r".ije_to_Interaction_Features.linear_layers.0."),
    (r"\.site\.0\.", r".global_linear.linear_layers.0."),
    (r"\.site\.2\.", r".global_linear.norm_layers.0.Norm."),
    (r"readout\.pre_pool\.(\d+)\.0\.", r"encoder.pre_pool_layers.\1."),
    (r"readout\.pre_pool\.(\d+)\.2\.", r"encoder.pre_pool_layers_norm.\1.Norm."),
    (r"readout\.post_pool\.(\d+)\.0\.", r"encoder.post_pool_layers.\1."),
    (r"readout\.post_pool\.(\d+)\.2\.", r"encoder.post_pool_layers_norm.\1."),
    (r"readout\.linear\.", r"decoder."),
)


def published_name(name: str) -> str:
    """Return the published name of one of our parameters, in their joined form."""
    hidden = re.fullmatch(r"(blocks\.\d+)\.logits\.(\d+)\.(.*)", name)
    if hidden is not None:
        name = _published_logit_name(*hidden.groups())
    for ours, theirs in _PUBLISHED_NAMES:
        name = re.sub(ours, theirs, name)
    return name


def _published_logit_name(block: str, position: str, rest: str) -> str:
    # Layers come after the pair layer (number 0); a bare Linear is the last one.
    if rest in {"weight", "bias"}:
        return f"{block}.pre_softmax_linear.{rest}"
    layer, parameter = int(position) + 1, rest[2:]
    kind = f"linear_layers.{layer}" if rest[0] == "0" else f"norm_layers.{layer}.Norm"
    return f"{block}.ije_to_multihead.{kind}.{parameter}"


def num_published_targets(published: Mapping[str, Tensor]) -> int:
    """Return how many targets published weights predict, 1 if they do not say it.

    Raises:
        TypeError: If the tensors are something else, such as the path of a file.
    """
    if not isinstance(published, Mapping):
        raise TypeError(
            "`state_dict` must hold the published tensors by name, as"
            " torch.load(file, weights_only=True) returns them, got"
            f" {type(published).__name__}"
        )
    return len(published.get("decoder.bias", [0]))


def from_published_names(
    published: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Rename published tensors to our names.

    Args:
        published: Tensors under their published names.
        expected: Our names, with tensors of the right shapes; what has no published
            counterpart (the target scaling) is taken from here.

    Raises:
        ModelFileError: If a tensor is missing or has another shape.
    """
    renamed = {}
    for name, tensor in joined_form(expected).items():
        if name in {"target_mean", "target_scale"}:
            renamed[name] = tensor
            continue
        source = published.get(published_name(name))
        if source is None or source.shape != tensor.shape:
            size = "none" if source is None else f"shape {list(source.shape)}"
            raise ModelFileError(
                f"published weights: expected {published_name(name)!r} of shape "
                f"{list(tensor.shape)}, got {size}; pass the `config` that they were "
                f"trained with ({NUM_ELEMENT_ROWS} rows of elements)"
            )
        renamed[name] = source
    return renamed
