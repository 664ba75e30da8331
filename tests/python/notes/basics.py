# 000: tensors, made and printed
import torch
import torch.nn as nn
import torch.optim as optim
import matplotlib.pyplot as plt

torch.manual_seed(22)

# tensor 就是 PyTorch 的“矩阵/向量容器”
a = torch.tensor([1, 2, 3], dtype=torch.float32)
b = torch.zeros((2, 3))    # 2x3 矩阵，全 0
c = torch.ones((2, 2))     # 全 1
d = torch.rand((2, 2))     # 0~1 均匀分布
e = torch.randn((2, 2))    # 正态分布

# 看看形状和类型
print(a, a.shape, a.dtype)
print(b)
print(c)
print(d)
print(e)

print(a, a.shape, a.dtype)
print(b, b.shape)
print(c)
print(d)
print(e)
