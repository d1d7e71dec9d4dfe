# %% [markdown]
# # Read a run and plot it
#
# A command leaves a folder. `jaxcs.load_run` gives its rows, one for each image, method, epsilon and metric;
# `run.frame` is the same as a pandas table.

# %%
import tempfile
from pathlib import Path
from statistics import fmean

import matplotlib.pyplot as plt

import jaxcs
from bench.attack import main

output = Path(tempfile.mkdtemp())
main(
    ["--method", "zero_filled", "--limit", "3", "--eps", "0.02", "0.05", "0.1", "--steps", "5", "--output", str(output)]
)
(folder,) = output.iterdir()

# %%
run = jaxcs.load_run(folder)
psnr = [row for row in run.rows if row.metric == "psnr"]
print(len(run.rows), "rows; the first of PSNR:", psnr[0])

# %%
sizes = sorted({row.eps for row in psnr})
figure, axis = plt.subplots(figsize=(5, 3.4), constrained_layout=True)
for state in ("noise", "attacked"):
    axis.plot(sizes, [fmean(getattr(row, state) for row in psnr if row.eps == eps) for eps in sizes], "o-", label=state)
axis.set_xlabel("epsilon [-]")
axis.set_ylabel("PSNR [dB]")
axis.legend()
