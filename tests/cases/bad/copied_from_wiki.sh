# copied from the wiki
vllm serve Qwen/Qwen3-14B –tensor-parallel-size 2 \
  --max-model-len 16384 \
  --host 127.0.0.1 \
  --served-model-name “qwen3”
