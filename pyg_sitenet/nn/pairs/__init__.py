"""Pairs of atoms: those of a graph, equal ones counted once, and their layers."""
