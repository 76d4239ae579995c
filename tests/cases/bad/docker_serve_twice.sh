docker run --rm --gpus all --ipc=host -p 127.0.0.1:8000:8000 \
  -v hf-cache:/root/.cache/huggingface \
  vllm/vllm-openai:v0.28.0 \
  vllm serve --model Qwen/Qwen3-4B-Instruct-2507 --max-model-len 32768 --guided-decoding-backend xgrammar
