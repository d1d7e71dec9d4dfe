#!/usr/bin/env bash
# bench.attack as a Slurm array, a part of the images in each task, and a job that makes one run of them.
#
#   bench/jobs/slurm_array.sh PARTS OUTPUT --method l1 --data /path/to/fastmri
#
# submits both, from the folder of the project.  OUTPUT is a folder that all nodes share, one for each run.
# A task that Slurm requeues (preemption, a lost node, scontrol requeue) goes on where it was stopped.
# A part that is lost for good is begun again by the same command: those that are done are not computed again.
#SBATCH --job-name=jaxcs
#SBATCH --cpus-per-task=2
#SBATCH --mem=2G
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

if [ $# -lt 2 ]; then
  echo "usage: bench/jobs/slurm_array.sh PARTS OUTPUT [flags of bench.attack]" >&2
  exit 2
fi
parts=$1 output=$2
python=${PYTHON:-.venv/bin/python}

# Outside a job: submit.
if [ -z "${SLURM_JOB_ID:-}" ]; then
  mkdir -p "$output"
  array=$(sbatch --parsable --array="1-$parts" --output="$output/part-%a.log" "$0" "$@")
  merge=$(sbatch --parsable --dependency="afterok:$array" --kill-on-invalid-dep=yes --output="$output/merge.log" "$0" "$@")
  echo "submitted array $array, and $merge to put its parts together"
  exit
fi

# The runs in these folders, but for one that was stopped before it wrote anything.
runs_in() {
  local folder record
  for folder in "$@"; do
    for record in "$folder"/*/run.json; do
      [ ! -e "$record" ] || dirname "$record"
    done
  done
}

# A task of the array: its part.
if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
  part=$output/part-$SLURM_ARRAY_TASK_ID
  run=$(runs_in "$part")
  if [ -n "$run" ]; then
    set -- --resume "$run"
  else
    shift 2
    set -- "$@" --shard "$SLURM_ARRAY_TASK_ID/$parts" --output "$part"
  fi
  # 1 says that images failed: that part is as done as it will be, and the merged run says it again.
  "$python" -m bench.attack "$@" || [ $? -eq 1 ]
  exit
fi

# The job after it: one run of all.
mapfile -t runs < <(runs_in "$output"/part-*)
exec "$python" -m bench.merge "${runs[@]}" --output "$output"
