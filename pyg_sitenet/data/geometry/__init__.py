"""Cells, lattices and distances: crystals as geometry, without files or torch."""
