#!/bin/sh
# three tenants, ranks up to 32
vllm serve meta-llama/Llama-3.1-8B-Instruct --host 127.0.0.1 --max-model-len 8192 \
  --enable-lora --max-loras 3 --max-cpu-loras 6 --max-lora-rank 32 \
  --lora-modules billing=/srv/adapters/billing-r16 legal=/srv/adapters/legal-r32 support=/srv/adapters/support-r8
