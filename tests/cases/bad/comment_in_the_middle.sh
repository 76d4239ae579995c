#!/bin/bash
set -e
MODEL=mistralai/Mistral-Small-3.2-24B-Instruct-2506

vllm serve "$MODEL" \
  --host 127.0.0.1 \
  --tokenizer-mode mistral \
  --max-model-len 32768 \
  # --tensor-parallel-size 2 \
  --gpu-memory-utilization 0.85 \
  --enable-auto-tool-choice --tool-call-parser mistral
