"""The space group of a CIF: its operations, and the names it is given."""
