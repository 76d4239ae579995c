ARG VLLM=v0.27.1
FROM vllm/vllm-openai:${VLLM}
ENV MODEL=Qwen/Qwen3-4B-Instruct-2507 MAX_LEN=16384
ENTRYPOINT exec vllm serve "$MODEL" --max-model-len "$MAX_LEN"
