#!/usr/bin/env bash
# A command of this project on all machines of a TPU slice at once:
#
#   TPU=my-slice ZONE=us-central2-b bench/jobs/tpu_vm.sh bench.train --method varnet --batch 32 --output /mnt/runs
#
# JAX finds the machines of the slice.  Each machine has the project in FOLDER (default jaxcs), installed in its .venv
# with the extra tpu.  --output is a folder that all machines share, such as a mounted Filestore.
# Only process 0 writes to standard output.
set -euo pipefail

if [ $# -lt 1 ]; then
  echo "usage: TPU=NAME ZONE=ZONE bench/jobs/tpu_vm.sh bench.attack|bench.train [flags]" >&2
  exit 2
fi
: "${TPU:?the name of the slice}" "${ZONE:?its zone}"
# One process on each machine; an attack takes one chip if nothing else is said, a training takes all.
devices=()
[ "$1" != bench.attack ] || devices=(--devices all)
program=$1
shift
# Quote the arguments for the shell of the machines.
printf -v command '%q ' .venv/bin/python -m "$program" "${devices[@]}" "$@" --device tpu --distributed
printf -v folder '%q' "${FOLDER:-jaxcs}"
exec gcloud compute tpus tpu-vm ssh "$TPU" --zone="$ZONE" --worker=all --command="cd $folder && exec $command"
