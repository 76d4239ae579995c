#!/usr/bin/env bash
# Starts the chat model on the shared box. MODEL and PORT may be set from outside.
set -euo pipefail

MODEL="${MODEL:-Qwen/Qwen2.5-32B-Instruct}"
PORT="${PORT:-8080}"
TP="${TP:-3}"

export VLLM_ATTENTION_BACKEND=FLASHINFER   # was faster in spring
export VLLM_WORKER_MULTIPROC_METHOD=spawn

ARGS=(
  --model "$MODEL"
  --host 0.0.0.0
  --port "$PORT"
  --tensor-parallel-size "$TP"
  --max-model-len 32768
  --gpu-memory-utilization 0.97
  --trust-remote-code
)
if [[ -n "${API_KEY:-}" ]]; then
  ARGS+=(--api-key "$API_KEY")
fi
ARGS+=(--enforce-eager)   # less memory

source ~/venvs/vllm/bin/activate
pip install -q "vllm==0.22.1"

exec python -m vllm.entrypoints.openai.api_server "${ARGS[@]}" 2>&1 | tee -a server.log
