#!/bin/bash
# adapters of our tenants
export VLLM_ALLOW_RUNTIME_LORA_UPDATING=True

vllm serve meta-llama/Llama-3.1-8B-Instruct \
  --host 0.0.0.0 --port 8000 \
  --max-model-len 8192 \
  --enable-lora \
  --max-loras 8 --max-cpu-loras 4 \
  --lora-modules billing=/srv/adapters/billing-r64 support=/srv/adapters/support-r16 \
  --lora-modules legal=/srv/adapters/legal

# the small one
vllm serve Qwen/Qwen3-0.6B --host 127.0.0.1 --port 8001 --max-model-len 4096 --max-lora-rank 32 --lora-modules a=/srv/adapters/a
