"""The outside world: GPUs through NVML, models through the Hugging Face cache and Hub."""
