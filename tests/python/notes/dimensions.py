# 004: what a tensor is
import torch
# 标量
a = torch.tensor(3.0)       # 0维
print(a.shape)  # torch.Size([])
# 向量
v = torch.tensor([1.0, 2.0, 3.0])  # 1维
print(v.shape)  # torch.Size([3])
# 矩阵
m = torch.tensor([[1.0, 2.0], [3.0, 4.0]])  # 2维
print(m.shape)  # torch.Size([2,2])
# 三维张量(如一张 RGB 图片)
img = torch.randn(3, 64, 64)  # 通道 3, 高 64, 宽 64
print(img.shape)  # torch.Size([3,64,64])
