# 001: a gradient step; two scripts glued into one, as they stand there
import torch

torch.manual_seed(22)

"""
权重更新公式：
    W新 = W旧 - 学习率 * 梯度
    梯度 = 损失函数的导数

PyTorch模块内置有 自动微分模块, 专门实现针对于 不同的损失函数求导。
只有标量张量才能求导, 且大多数底层操作的都是浮点型。    
"""

# 1. 定义张量
# requires_grad需要设置为true：是否自动微分(求导)
w = torch.tensor([10, 20], requires_grad=True, dtype=torch.float)

# 2. 定义损失函数
loss = 2 * w ** 2 # 倒数函数： 4w
print(f"梯度函数类型: {type(loss.grad_fn)}")

# 3. 计算梯队
# sum 就是对每个值求导。
loss.sum().backward()
print(f"grad {w.grad}") # grad tensor([40., 80.])

# 4. 代入 权重更新公式: W新 = W旧 - 学习率 * 梯度
w.data = w.data - 0.01 * w.grad

# tensor([ 9.6000, 19.2000], requires_grad=True)
print(f'更新后的权重: {w}')       # 9.6import torch

torch.manual_seed(22)

# 1. 定义张量
w = torch.tensor([10, 20], requires_grad=True, dtype=torch.float)

# 2. 定义损失函数
loss = 2 * w ** 2 # 倒数函数： 4w
print(f"梯度函数类型: {type(loss.grad_fn)}")

# 3. 计算梯队
loss.sum().backward()
print(f"grad {w.grad}") # grad tensor([40., 80.])

# 4. 代入 权重更新公式: W新 = W旧 - 学习率 * 梯度
w.data = w.data - 0.01 * w.grad

# tensor([ 9.6000, 19.2000], requires_grad=True)
print(f'更新后的权重: {w}') 
