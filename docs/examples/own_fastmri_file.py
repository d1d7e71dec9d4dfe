# %% [markdown]
# # Your own fastMRI file
#
# The same attack on a slice of an HDF5 file in fastMRI's layout. The file here is made from the phantom; put the
# name of yours in its place.

# %%
import tempfile
from pathlib import Path

import h5py
import numpy as np

import jaxcs
from data_prep import phantom

path = Path(tempfile.mkdtemp()) / "file.h5"
with h5py.File(path, "w") as file:
    file["kspace"] = phantom.case("knee", "test", 1).kspace[None]  # (slice, coil, ny, nx)

# %%
with h5py.File(path) as file:
    kspace = np.asarray(file["kspace"][0])
mask = jaxcs.masks.random(kspace.shape[-1], acceleration=4, center_fraction=0.08, seed=0)
image = jaxcs.reconstruct("sense", kspace, mask)
print(image.shape, image.dtype, f"up to {image.max():.3g} in the units of the file")

# %% [markdown]
# Crop the truth as fastMRI does, and give it to the attack, which then scores the same crop.

# %%
print(jaxcs.attack("sense", kspace, mask, eps=[0.02, 0.05], steps=10))
