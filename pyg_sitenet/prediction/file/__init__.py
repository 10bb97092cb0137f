"""Predictions of any amount of data as a file that can be resumed."""
