"""Transforms of graphs: finding pairs, describing them, merging equal ones."""
