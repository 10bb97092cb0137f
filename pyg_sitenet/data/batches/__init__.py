"""Parts of a data set, and its batches by a budget of sites and pairs."""
