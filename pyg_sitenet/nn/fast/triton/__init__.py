"""The hidden layer of pairs on NVIDIA GPUs, as kernels in Triton's language."""
