# 003: the gradient of a mean
import torch
x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True) # 创建一个一维Tensor，并且开启梯度追踪
y = x * 2  # 对Tensor进行操作
z = y.mean()  # 计算y的均值
z.backward()  # 反向传播，计算梯度
print(x.grad)  # 输出x的梯度
