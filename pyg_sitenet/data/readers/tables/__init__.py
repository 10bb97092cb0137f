"""Tables whose rows are crystals."""
