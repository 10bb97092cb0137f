"""Benchmarks: training and scoring on the official folds of published tasks."""

from pyg_sitenet.matbench.fold import FoldResult
from pyg_sitenet.matbench.task_run import BenchmarkResult, run_benchmark

__all__ = ["BenchmarkResult", "FoldResult", "run_benchmark"]
