#!/bin/bash
pip install vllm==0.31.0
vllm serve Qwen/Qwen3-32B --host 127.0.0.1 --tensor-parallel-size 2 --max-model-len 16384 --max-num-seqs 64 \
  --reasoning-parser qwen3 \
  --speculative-config '{"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 4}'
