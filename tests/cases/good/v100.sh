#!/bin/bash
pip install vllm==0.9.2
vllm serve Qwen/Qwen2.5-7B-Instruct --dtype half --host 127.0.0.1 --max-model-len 8192 --max-num-seqs 16
