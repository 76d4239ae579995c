# escape=`
FROM python:3.12-slim
COPY <<EOF /start.sh
#!/bin/sh
vllm serve $MODEL --port 8000
EOF
ENV MODEL=mistralai/Mistral-7B-Instruct-v0.3
CMD python -m vllm.entrypoints.openai.api_server `
    --model $MODEL --gpu-memory-utilization 0.95 --served-model-name a b
