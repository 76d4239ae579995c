#!/bin/sh
# everything else is in the file beside it
exec vllm serve --config config_chat.yaml --port "${PORT:-8000}"
