# 000: a gradient
import torch

# --- Cell (Code) ---
a = torch.tensor([2.0, 3.0], requires_grad=True)  # 参数 a
b = torch.tensor([4.0, 5.0])                      # 常量 b
c = (a * b).sum()                                 # 损失函数 c = 2*4 + 3*5 = 23
c.backward()                                      # 自动计算梯度

print("梯度 a.grad:", a.grad)
