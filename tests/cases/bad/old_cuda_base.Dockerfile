FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04

RUN apt-get update && apt-get install -y python3-pip && rm -rf /var/lib/apt/lists/*
RUN pip3 install --no-cache-dir vllm==0.8.4 flash-attn

WORKDIR /srv
COPY chatml.jinja /srv/

EXPOSE 8000
CMD ["python3", "-m", "vllm.entrypoints.openai.api_server", \
     "--model", "Qwen/Qwen2.5-VL-7B-Instruct", \
     "--dtype", "half", \
     "--attention-backend", "FLASH_ATTN", \
     "--chat-template", "/srv/chatml.jinja", \
     "--allowed-origins", "[\"*\"]"]
