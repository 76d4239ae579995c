#!/bin/bash
set -e
pip install "vllm==0.29.0"
vllm serve Qwen/Qwen3-VL-8B-Instruct \
    --host 127.0.0.1 \
    --max-model-len 32768 \
    --limit-mm-per-prompt '{"image": 4, "video": 0}' \
    --mm-processor-kwargs.max_pixels 1003520
