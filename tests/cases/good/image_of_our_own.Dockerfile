FROM vllm/vllm-openai:v0.31.0

RUN pip install --no-cache-dir boto3==1.40.50
COPY templates/ /templates/

ENV VLLM_LOGGING_LEVEL=INFO
EXPOSE 8000
CMD ["Qwen/Qwen3-30B-A3B-Instruct-2507", "--max-model-len", "32768", "--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
