#!/bin/bash
pip install vllm==0.24.0
vllm serve google/gemma-3-27b-it --host 127.0.0.1 --max-model-len 32768 --max-num-seqs 32 --tensor-parallel-size 2 --limit-mm-per-prompt.image 2
