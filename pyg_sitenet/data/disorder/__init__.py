"""Disordered crystals as ordered ones."""

from pyg_sitenet.data.disorder.approximants import Approximants, Method, order_structure

__all__ = ["Approximants", "Method", "order_structure"]
