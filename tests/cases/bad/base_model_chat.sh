#!/bin/bash
vllm serve meta-llama/Llama-3.1-8B --host 127.0.0.1 --port 8000 \
  --max-model-len 8192 --enable-auto-tool-choice --tool-call-parser llama3_json

# llmtune: ignore[enforce-eager, prefix-caching-off] the profiler cannot see through graphs
vllm serve Qwen/Qwen3-4B --host 127.0.0.1 --port 8001 --max-model-len 8192 --enforce-eager

vllm serve openai/whisper-large-v3 --host 127.0.0.1 --port 8002 --pipeline-parallel-size 2
vllm serve Qwen/Qwen3-8B --host 127.0.0.1 --port 8003 --max-model-len 8192 --data-parallel-size 2 --data-parallel-rank 0
vllm serve Qwen/Qwen3-8B --host 127.0.0.1 --port 8004 --max-model-len 8192 --tensor-parallel-size 4 --decode-context-parallel-size 3
