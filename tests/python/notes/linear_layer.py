# 001: nn.Linear's first parameters
import torch
from torch import nn

torch.manual_seed(22)
model = nn.Linear(1, 1)
print(f'模型参数, 权重: {model.weight}, 偏置: {model.bias}')
print([p.shape for p in model.parameters()], model)
