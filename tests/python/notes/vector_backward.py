# 002: tensors, and the gradient of a vector
import torch
x = torch.tensor([1, 2, 3])  # 创建一个一维张量
y = torch.tensor([[4, 5], [6, 7]])  # 创建一个二维张量
print(x, y)

x = torch.ones(2, 2, requires_grad=True) #创建一个2x2的全1张量，并梯度跟踪
y = x * 3
y.backward(torch.ones_like(x)) #创建一个与输入张量（tensor）形状相同、但所有元素值为1的新张量
print(x.grad)
