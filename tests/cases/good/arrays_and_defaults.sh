#!/usr/bin/env bash
# MODEL, PORT and GPUS may be given from outside.
set -euo pipefail
MODEL="${MODEL:-Qwen/Qwen2.5-32B-Instruct}"
PORT="${PORT:-8000}"
pip install "vllm==0.30.0"

args=(
  --host 127.0.0.1 --port "$PORT"
  --max-model-len "${MAX_LEN:-32768}"
  --tensor-parallel-size "${GPUS:-4}"
)
if [[ "${TOOLS:-0}" == 1 ]]; then
  args+=(--enable-auto-tool-choice --tool-call-parser hermes)
fi

vllm serve "$MODEL" "${args[@]}" "$@"
