# %% [markdown]
# # Your own PyTorch network
#
# A module that takes k-space and mask, and optionally coil maps, and gives a magnitude image becomes a JAX
# function, gradients and all.

# %%
import torch

import jaxcs
from data_prep import phantom


class Network(torch.nn.Module):  # stands for yours
    def __init__(self):
        super().__init__()
        self.convolution = torch.nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, kspace, mask):  # complex64 (coil, ny, nx), bool (nx,) -> float32 (ny, nx)
        coils = torch.fft.fftshift(torch.fft.ifft2(torch.fft.ifftshift(kspace, (-2, -1)), norm="ortho"), (-2, -1))
        image = torch.linalg.vector_norm(coils, dim=0)[None]
        return (image + self.convolution(image)).relu()[0]


torch.manual_seed(0)

# %%
kspace = phantom.case("knee", "test", 0).kspace
mask = jaxcs.masks.random(128, acceleration=4, center_fraction=0.08, seed=0)
print(jaxcs.attack(Network(), kspace, mask, eps=[0.05], steps=10))
