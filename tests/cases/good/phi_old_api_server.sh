#!/bin/bash
pip install vllm==0.8.5
python3 -m vllm.entrypoints.openai.api_server --model microsoft/phi-4 --host 127.0.0.1 --max-model-len 16384 --disable-log-requests
