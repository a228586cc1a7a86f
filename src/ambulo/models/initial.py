"""First weights as Keras draws them, for systems that were published in it."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def as_keras(network: nn.Module) -> None:
    """Draw all weights anew: Glorot uniform, orthogonal between steps, no bias but on forgetting.

    The defaults of Keras' Dense, Conv1D, LSTM (forget bias of 1: Jozefowicz et al. 2015) and GRU;
    torch's own are smaller, and a short training gets less far from them.
    """
    for layer in network.modules():
        if isinstance(layer, (nn.Linear, nn.Conv1d)):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, (nn.LSTM, nn.GRU)):
            for name, parameter in layer.named_parameters():
                if "weight_ih" in name:
                    nn.init.xavier_uniform_(parameter)
                elif "weight_hh" in name:
                    nn.init.orthogonal_(parameter)
                else:
                    nn.init.zeros_(parameter)
                    if "bias_ih" in name and isinstance(layer, nn.LSTM):
                        parameter[layer.hidden_size : 2 * layer.hidden_size] = 1.0
