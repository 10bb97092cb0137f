"""Graphs on disk: written by several processes, checked when read."""
