#!/bin/sh
vllm serve openai/gpt-oss-120b --host 127.0.0.1 --max-model-len 131072 --tensor-parallel-size 2 \
  --enable-auto-tool-choice --tool-call-parser openai
