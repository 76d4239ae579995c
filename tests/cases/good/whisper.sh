#!/bin/bash
pip install "vllm[audio]==0.30.0"
vllm serve openai/whisper-large-v3 --host 127.0.0.1 --port 8003 --max-num-seqs 32
