"""From a structure to its graph, for one crystal or a stream of them."""
