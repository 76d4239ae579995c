#!/bin/bash
# invoices as images; at most four pages each
python -m vllm.entrypoints.openai.api_server \
    --model Qwen/Qwen2.5-VL-7B-Instruct \
    --host 127.0.0.1 \
    --max-model-len 16384 \
    --limit-mm-per-prompt image=4,video=0 \
    --mm-processor-kwargs {"max_pixels": 1003520} \
    --compilation-config '{"cuda_graph_sizes": [1, 2, 4, 8], "mode": 3}' \
    --override-generation-config "{'temperature': 0.1}"
