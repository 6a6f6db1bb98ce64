"""Forward and backward passes of LoRA training: batch layouts, kernels, CUDA graphs."""
