#!/bin/bash
export VLLM_ROCM_USE_AITER=1
pip install vllm==0.30.0
vllm serve deepseek-ai/DeepSeek-R1-0528 --host 127.0.0.1 --tensor-parallel-size 8 --max-model-len 65536 --reasoning-parser deepseek_r1
