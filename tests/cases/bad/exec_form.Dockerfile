FROM vllm/vllm-openai:v0.30.0
ENV MODEL=Qwen/Qwen3-14B
ENV MAX_LEN=16384
RUN pip install --no-cache-dir boto3==1.40.0
ENTRYPOINT ["vllm", "serve"]
CMD ["${MODEL}", "--host 127.0.0.1", "--max-model-len", "$MAX_LEN", "--gpu-memory-utilization 0.9"]
