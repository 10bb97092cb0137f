"""Statistics over the frames of a trajectory."""
