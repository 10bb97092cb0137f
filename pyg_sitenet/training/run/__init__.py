"""A run on disk: its folder, its data and with what it was made."""
