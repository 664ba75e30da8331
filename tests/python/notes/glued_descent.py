# 001: gradient descent to a minimum; two scripts glued into one, as they stand there
import torch

torch.manual_seed(22)

# 1. 定义张量
# requires_grad需要设置为true：是否自动微分(求导)
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
print(f'更新后的权重: {w}')       # 9.6import torch

torch.manual_seed(22)

# 1. 定义张量
w = torch.tensor(10, requires_grad=True, dtype=torch.float)

# 2. 定义损失函数
loss = w ** 2  + 20  # 倒数函数： 2w

# 3. 迭代100次，求最优解
for i in range(100):
    # 3.1 前向传播，损失函数不能重复使用，每次都需要定义新的。
    loss = w ** 2 + 20

    # 3.2 梯度清零，默认是累加
    # 至此(第一次的时候), 还没有计算梯度, 所以w.grad = None, 要做非空判断.
    if w.grad is not None:
        w.grad.zero_()

    # 3.3 反向传播，更新w的grad值。
    loss.sum().backward()

    # 3. 4 权重更新
    w.data = w.data - 0.01 * w.grad

    # 3.5
    print(f'第 {i} 次, 权重初始值: {w}, (0.01 * w.grad): {0.01 * w.grad:.5f}, loss: {loss:.5f}')

print(f'最终结果 权重: {w}, 梯度: {w.grad:.5f}, loss: {loss:.5f}')
