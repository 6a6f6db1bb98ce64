#!/bin/bash
# All GPU benchmarks: bash tests/bench/bench_gpu_all.sh OUT WORK [--tiny] [PART...]
# Parts import side by side and take turns on the GPU; rows land in OUT/rows.jsonl as they are measured.
OUT=$1; WORK=$2; shift 2
TINY=""; [ "$1" = --tiny ] && { TINY=--tiny; shift; }
PARTS=${*:-agreement_peft agreement_unsloth train_ours generate train_hf start}
mkdir -p "$OUT" "$WORK"; : >> "$OUT/rows.jsonl"
PY=${PYTHON:-python3}
declare -A COMMAND=(
  [agreement_peft]="bench_gpu_agreement.py --backend peft" [agreement_unsloth]="bench_gpu_agreement.py --backend unsloth"
  [train_ours]="bench_gpu_train.py --side ours --profile" [train_hf]="bench_gpu_train.py --side hf"
  [generate]="bench_gpu_generate.py" [start]="bench_gpu_trial_start.py" [search_ours]="bench_gpu_search.py --side ours"
  [search_naive]="bench_gpu_search.py --side naive" [fits]="bench_gpu_fits.py"
  [wall]="bench_gpu_wall.py"
)
LIMIT=${LIMIT:-570}   # seconds for all parts together
cd "$(dirname "$0")/../.." || exit 1
began=$SECONDS
$PY tests/bench/gpu_common.py --work "$WORK" $TINY > "$WORK/make.log" 2>&1 || { cat "$WORK/make.log"; exit 1; }
echo "checkpoints after $((SECONDS - began)) s"
before=""
for part in $PARTS; do
  (
    # the turn of a part that dies or runs out of time goes on to the next one
    timeout "$LIMIT" $PY tests/bench/${COMMAND[$part]} --work "$WORK" --out "$OUT" --after "$before" $TINY $EXTRA \
      > "$WORK/$part.log" 2>&1
    code=$?
    { echo "=== $part: exit $code after $((SECONDS - began)) s"; cat "$WORK/$part.log"; } >> "$OUT/all.log"
    touch "$WORK/$part.done"
  ) &
  before=$part
done
wait
grep "^===" "$OUT/all.log"
$PY tests/bench/bench_gpu_table.py --rows "$OUT/rows.jsonl" --out "$OUT" || true
