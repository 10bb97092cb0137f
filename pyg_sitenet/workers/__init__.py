"""Processes and cluster tasks that do work for others; they know no crystals."""
