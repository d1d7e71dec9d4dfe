#!/usr/bin/env bash
# A Slurm array of bench.attack, a part of the images in each task, and a job that merges the parts into one run.
#
#   bench/jobs/slurm_array.sh PARTS OUTPUT --method l1 --data /path/to/fastmri
#
# submits both, from the folder of the project.  OUTPUT is a folder that all nodes share, one for each run.
# If Slurm requeues a task (preemption, a lost node, scontrol requeue), it resumes its part.
# If a part is lost for good, the same command begins it again; finished parts are not computed again.
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

# The runs in these folders, except runs that were stopped before they wrote anything.
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
  # Exit code 1 means that images failed: the part is finished, and the merged run reports the failures.
  "$python" -m bench.attack "$@" || [ $? -eq 1 ]
  exit
fi

# The job after the array: merge all parts into one run.
mapfile -t runs < <(runs_in "$output"/part-*)
exec "$python" -m bench.merge "${runs[@]}" --output "$output"
