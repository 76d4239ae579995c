FROM vllm/vllm-openai:v0.27.1

ENV HF_TOKEN=hf_aBcDeFgHiJkLmNoPqRsTuVwXyZ012345
ENV VLLM_USE_TRITON_FLASH_ATTN=0

EXPOSE 8080

# start the server
CMD vllm serve Qwen/Qwen3-VL-8B-Instruct --host 0.0.0.0 --port 8080 --max-model-len 16384 --disable-mm-preprocessor-cache
