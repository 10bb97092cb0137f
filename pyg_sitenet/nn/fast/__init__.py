"""The fused form of the attention block: the same numbers, faster."""
