# %% [markdown]
# # A first attack
#
# How much harm can a small change of the measured data do to l1-regularised reconstruction?

# %%
import matplotlib.pyplot as plt

import jaxcs
from data_prep import phantom

kspace = phantom.case("knee", "test", 0).kspace  # complex (coil, ny, nx)
mask = jaxcs.masks.random(128, acceleration=4, center_fraction=0.08, seed=0)  # bool (nx,)
print(kspace.shape, f"{mask.sum()} of {mask.size} columns are measured")

# %% [markdown]
# `jaxcs.attack` looks for the worst perturbation of each size and sets it beside noise of equal norm. Ten steps are
# a first look; leave `steps` out
# for a number to be quoted.

# %%
report = jaxcs.attack("l1", kspace, mask, eps=[0.02, 0.05], steps=10)
print(report)

# %% [markdown]
# The last column names what speaks against the result. The images are in the report, in the units of the data.

# %%
pictures = {"truth": report.truth, "clean": report.clean, "noise": report.noisy[-1], "attacked": report.attacked[-1]}
figure, axes = plt.subplots(1, 4, figsize=(10, 3.4), constrained_layout=True)
for axis, (name, picture) in zip(axes, pictures.items(), strict=True):
    axis.imshow(picture, cmap="gray", vmin=0, vmax=report.truth.max())
    axis.set_title(name)
    axis.axis("off")
