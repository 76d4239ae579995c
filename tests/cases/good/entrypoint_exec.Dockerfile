FROM nvidia/cuda:12.8.1-runtime-ubuntu24.04
RUN apt-get update && apt-get install -y python3-venv && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/vllm \
    && /opt/vllm/bin/pip install --no-cache-dir vllm==0.29.0
ENV PATH=/opt/vllm/bin:$PATH
USER 1000
ENTRYPOINT ["vllm", "serve", "mistralai/Mistral-Small-3.2-24B-Instruct-2506"]
CMD ["--tokenizer-mode", "mistral", "--max-model-len", "32768", "--tool-call-parser", "mistral", "--enable-auto-tool-choice"]
