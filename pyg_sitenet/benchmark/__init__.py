"""Benchmarks: training and scoring on the official folds of published tasks."""

from pyg_sitenet.benchmark.fold import FoldResult
from pyg_sitenet.benchmark.run import BenchmarkResult, run_benchmark

__all__ = ["BenchmarkResult", "FoldResult", "run_benchmark"]
