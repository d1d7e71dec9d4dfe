"""Save fastMRI's networks by real PyTorch into torch_files/ next to this file.

They are the reference of test_weights_import.py.  To make them anew:

    pip install torch==2.13.0 fastmri==0.3.0
    python tests/parity/make_torch_files.py

* unet.pt, varnet.pt: plain state dictionaries, for `Unet(1, 1, 2, 2)` and `VarNet(2, 2, 2, 2, 2)`.
* unet_model.pt: as fastMRI's first training script saved the U-Net, with data parallelism, settings and optimiser.
* varnet_lightning.ckpt: as Lightning saves the variational network, with loss, metrics, a callback and optimiser.
* varnet_old_lightning.ckpt: the same by fastMRI of early 2020, without prefix and with constants.
* unet_half.pt: in half precision.
* unet_bfloat16.pt: parameters, not tensors, in bfloat16.
* unet_legacy.pt: in the format before PyTorch 1.6.
* outputs.npz: an input (and the mask), and the output, of the two networks by PyTorch.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import types

import numpy as np
import torch
from fastmri.models.unet import Unet
from fastmri.models.varnet import VarNet

FOLDER = pathlib.Path(__file__).with_name("torch_files")


def lightning_class(module: str, name: str, *bases: type) -> type:
    """Make a class that pickles under a name of Lightning's, so that Lightning need not be installed."""
    made = type(name, bases, {"__module__": module})
    parts = module.split(".")
    for i in range(len(parts)):
        sys.modules.setdefault(".".join(parts[: i + 1]), types.ModuleType(parts[i]))
    setattr(sys.modules[module], name, made)
    return made


def adam_state(parameters: list[torch.nn.Parameter]) -> dict:
    """Make the state of an optimiser after a step that changes nothing."""
    optimiser = torch.optim.Adam(parameters, lr=0.0)
    sum(parameter.sum() for parameter in parameters).backward()
    optimiser.step()
    return optimiser.state_dict()


def network_outputs(unet: torch.nn.Module, varnet: torch.nn.Module) -> dict[str, np.ndarray]:
    """Make inputs of odd sizes, and compute the networks' outputs."""
    image = torch.randn(1, 1, 21, 18)
    mask = torch.zeros(1, 1, 1, 19, 1, dtype=torch.bool)
    mask[..., ::3, :] = True
    mask[..., 7:12, :] = True
    kspace = torch.randn(1, 3, 22, 19, 2) * mask
    with torch.no_grad():
        return {
            "image": image[0, 0].numpy(),
            "unet": unet(image)[0, 0].numpy(),
            "kspace": torch.view_as_complex(kspace)[0].numpy(),
            "mask": mask[0, 0, 0, :, 0].numpy(),
            "varnet": varnet(kspace, mask)[0].numpy(),
        }


def lightning_checkpoint(varnet: torch.nn.Module) -> dict:
    """Make a checkpoint as Lightning before 1.5 wrote it at the end of an epoch.

    A callback's key was its class; later it is text.
    """
    attributes = lightning_class("pytorch_lightning.utilities.parsing", "AttributeDict", dict)
    callback = lightning_class("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")
    state = {f"varnet.{name}": tensor for name, tensor in varnet.state_dict().items()}
    metrics = ("NMSE", "SSIM", "PSNR", "ValLoss", "TotExamples", "TotSliceExamples")
    return {
        "epoch": 49,
        "global_step": 1000,
        "pytorch-lightning_version": "1.4.9",
        "callbacks": {callback: {"monitor": "validation_loss", "best_model_score": torch.tensor(0.1), "dirpath": "/a"}},
        "optimizer_states": [adam_state([cascade.dc_weight for cascade in varnet.cascades])],
        "lr_schedulers": [{"step_size": 40, "gamma": 0.1, "_last_lr": [0.001]}],
        "state_dict": {**state, "loss.w": torch.ones(1, 1, 7, 7) / 49}
        | {f"{metric}.quantity": torch.tensor(0.0) for metric in metrics},
        "hparams_name": "kwargs",
        "hyper_parameters": attributes(num_cascades=2, chans=2, lr=0.0003),
    }


def main() -> None:
    """Make the networks from a fixed seed, and save them in every way."""
    torch.manual_seed(0)
    unet, varnet = Unet(1, 1, 2, 2).eval(), VarNet(2, 2, 2, 2, 2).eval()
    for number, cascade in enumerate(varnet.cascades):
        cascade.dc_weight.data[:] = 0.7 + 0.2 * number
    FOLDER.mkdir(exist_ok=True)
    outputs = network_outputs(unet, varnet)
    np.savez_compressed(FOLDER / "outputs.npz", **outputs)

    torch.save(unet.state_dict(), FOLDER / "unet.pt")
    torch.save(varnet.state_dict(), FOLDER / "varnet.pt")
    torch.save(unet.state_dict(), FOLDER / "unet_legacy.pt", _use_new_zipfile_serialization=False)
    torch.save({name: tensor.half() for name, tensor in unet.state_dict().items()}, FOLDER / "unet_half.pt")
    parameters = {name: torch.nn.Parameter(value.bfloat16()) for name, value in unet.named_parameters()}
    torch.save(parameters, FOLDER / "unet_bfloat16.pt")

    old = {
        "epoch": 49,
        "args": argparse.Namespace(num_pools=2, data_path=pathlib.PosixPath("/data/knee"), challenge="multicoil"),
        "model": torch.nn.DataParallel(unet).state_dict(),
        "optimizer": {"state": {}, "param_groups": [{"lr": 0.001, "params": [0, 1]}]},
        "best_dev_loss": np.float64(0.25),
        "exp_dir": pathlib.PosixPath("/experiments"),
    }
    torch.save(old, FOLDER / "unet_model.pt")
    constants = {f"cascades.{i}.zero": torch.zeros(1, 1, 1, 1, 1) for i in range(2)}
    state = varnet.state_dict() | constants | {"ssim_loss.w": torch.ones(1, 1, 7, 7) / 49}
    torch.save({"state_dict": state, "hparams": vars(old["args"])}, FOLDER / "varnet_old_lightning.ckpt")
    torch.save(lightning_checkpoint(varnet), FOLDER / "varnet_lightning.ckpt")


if __name__ == "__main__":
    main()
