"""What a CIF states of its crystal, compared with the one that was read."""
