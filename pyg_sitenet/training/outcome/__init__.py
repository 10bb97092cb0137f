"""What came of a run: errors, baselines, calibration, novelty, figures."""
