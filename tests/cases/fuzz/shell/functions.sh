start() {
  local model=$1 port="$2"
  shift 2
  vllm serve "$model" --port $port "$@" &
}
log() { echo "$@"; }
start org/a 8000 --seed 1
log started
start "org/b" 8001
