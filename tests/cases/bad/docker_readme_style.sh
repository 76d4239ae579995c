#!/bin/bash
# the command from the tutorial, with our token
docker run --runtime nvidia --gpus all \
    -v ~/.cache/huggingface:/root/.cache/huggingface \
    -e "HUGGING_FACE_HUB_TOKEN=hf_QwErTyUiOpAsDfGhJkLzXcVbNm123456" \
    -p 8000:8080 \
    vllm/vllm-openai:latest \
    --model mistralai/Mistral-7B-Instruct-v0.3 \
    --trust-remote-code \
    --api-key sk-team-2f9a7c31
