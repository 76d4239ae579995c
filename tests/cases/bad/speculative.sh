#!/bin/bash
set -o pipefail
pip install "vllm==0.33.0"

# draft tokens for adapters
vllm serve meta-llama/Llama-3.1-8B-Instruct --host 127.0.0.1 --max-model-len 8192 \
  --enable-lora --max-lora-rank 32 --max-num-seqs 512 --max-num-batched-tokens 2048 \
  --speculative-config '{"method": "ngram", "num_speculative_tokens": 6, "prompt_lookup_max": 4}'

# both spellings
vllm serve Qwen/Qwen3-8B --host 127.0.0.1 --port 8001 --max-model-len 8192 \
  --spec-model AngelSlim/Qwen3-8B_eagle3 --spec-method eagle3 --spec-tokens 3 \
  --speculative-config '{"method": "eagle3", "model": "AngelSlim/Qwen3-8B_eagle3", "num_speculative_tokens": 3}'

vllm serve Qwen/Qwen3-8B --host 127.0.0.1 --port 8002 --max-model-len 8192 --override-generation-config '{"temperature": 0.2}' \
  --attention-backend FLASHINFER --attention-config.backend FLASH_ATTN
