#!/bin/bash
# runs 0.19.1 today; checked for the release that we upgrade to
pip install vllm==0.19.1
vllm serve Qwen/Qwen3-14B --host 127.0.0.1 --max-model-len 32768 --async-scheduling
