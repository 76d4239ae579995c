#!/usr/bin/env bash
# One L4, behind nginx on the same machine.
set -euo pipefail

exec vllm serve Qwen/Qwen3-4B-Instruct-2507 \
  --host 127.0.0.1 --port 8000 \
  --served-model-name chat \
  --max-model-len 16384 \
  --max-num-seqs 16 \
  --enable-auto-tool-choice --tool-call-parser hermes
