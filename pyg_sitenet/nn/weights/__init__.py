"""Weights: as one file, on a hub, and those published with the paper."""
