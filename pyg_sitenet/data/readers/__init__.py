"""Readers: each kind of place that holds crystals, as records and failures."""
