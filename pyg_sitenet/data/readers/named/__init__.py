"""Data sets known by name: bundled ones and Matbench's tasks."""
