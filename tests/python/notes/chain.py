# 002: the chain rule
import torch

# 创建一个需要求导的张量
x = torch.tensor(2.0, requires_grad=True)
# 进行一系列计算
y = x + 2
z = y * y * 3
# 目标函数
target = torch.tensor(30.0)
# 计算损失
loss = (z - target).pow(2)

# 自动求导
loss.backward()

# 打印梯度
print(x.grad) # 输出: tensor(48.)
