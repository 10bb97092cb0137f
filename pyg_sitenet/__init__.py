"""Crystal-property learning with global self-attention over real-space supercells."""
