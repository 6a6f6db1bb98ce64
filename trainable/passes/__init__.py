"""Forward and backward passes of LoRA training: layouts, kernels, CUDA graphs."""
