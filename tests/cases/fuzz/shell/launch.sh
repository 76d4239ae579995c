#!/usr/bin/env bash
set -euo pipefail
MODEL="${MODEL:-Qwen/Qwen3-8B}"
PORT=8001
export HF_TOKEN=hf_abcdefghijklmnopqrst VLLM_USE_V1=1
args=(--max-model-len 8192 "--gpu-memory-utilization=0.9")
if [[ -n "${EAGER:-}" ]]; then
  args+=(--enforce-eager)
else
  args+=(--max-num-seqs "$((4 * 8))")
fi
for attempt in 1 2 3; do
  CUDA_VISIBLE_DEVICES=0,1 vllm serve "$MODEL" --host 0.0.0.0 --port $PORT "${args[@]}" \
    --tensor-parallel-size 2 --swap-space 4 \
    --speculative-config '{"method": "ngram", "num_speculative_tokens": 3}' \
    --api-key sk-abcdefghijklmnop1234 "$@" && break
done
