# %% [markdown]
# # Your own attack
#
# An attack is a function of a key, a loss and the set of perturbations that it may choose from. It sees neither the
# reconstruction nor the coils.

# %%
import jaxcs
from data_prep import phantom
from jaxcs.attacks import AttackResult
from jaxcs.complex import l2_norm, value_and_ascent


def climb(key, loss, threat):  # yours: random key, perturbation -> loss, jaxcs.threats.Threat
    delta = threat.random(key)
    for _ in range(3):
        value, gradient = value_and_ascent(loss)(delta)
        delta = threat.boundary(gradient)
    return AttackResult(delta, loss(delta), value[None], l2_norm(gradient), value[None])


# %% [markdown]
# `threat.project(delta)` brings a perturbation back into the set; `threat.boundary(direction)` is the largest
# perturbation along a direction. The function is tried on the set first, and what it does wrong is one line.

# %%
kspace = phantom.case("knee", "test", 0).kspace
mask = jaxcs.masks.random(128, acceleration=4, center_fraction=0.08, seed=0)
print(jaxcs.attack("sense", kspace, mask, eps=[0.02, 0.05], method=climb))

# %% [markdown]
# On the command line, from the folder of your module: `python -m bench.attack --attack my_module:climb`.
