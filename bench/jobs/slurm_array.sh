#!/usr/bin/env bash
# A Slurm array of bench.attack: each task does a part of the images, all in one run folder, and the last one to end
# makes the report.
#
#   bench/jobs/slurm_array.sh PARTS OUTPUT --method l1 --data /path/to/fastmri
#
# submits it, from the folder of the project.  OUTPUT is a folder that all nodes share, one for each run.
# With GPUs, one for each part, and memory for the batches that the host makes ready:
#
#   SBATCH_GRES=gpu:1 SBATCH_MEM_PER_NODE=32G bench/jobs/slurm_array.sh PARTS OUTPUT --method l1 --data /path/to/fastmri
#
# If Slurm requeues a task (preemption, a lost node, scontrol requeue), it resumes its part.
# If a part is lost for good, the same command begins it again; finished images are not computed again.
#SBATCH --job-name=jaxcs
#SBATCH --cpus-per-task=2
#SBATCH --mem=8G
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
  echo "submitted array $array"
  exit
fi

shift 2
# Exit code 1 means that images failed: the part is finished, and the run reports the failures.
"$python" -m bench.attack "$@" --shard "$SLURM_ARRAY_TASK_ID/$parts" --output "$output" || [ $? -eq 1 ]
