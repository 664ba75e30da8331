# 001: a linear layer by hand, with its gradients
import torch

torch.manual_seed(22)

# 1. 定义x，表示：特征。 2行5列全1数据。
x = torch.ones(2, 5)

# 2. 定义y，2行3列全0数据。
y = torch.zeros(2, 3)

# 3. 初始化权重和偏执
w = torch.randn(5, 3, requires_grad=True)
b = torch.randn(3, requires_grad=True)
print(f"初始化w: {w}, 偏置： {b}")


# 4.前向传播，计算预测值
#  2行5列 @5行3列 = 2行 3列
z = torch.matmul(x, w) + b
print(f"预测值：{z}")

# 5. 定义损失函数、计算损失
criterion = torch.nn.MSELoss()
# 计算损失
loss = criterion(z, y)

# 6.  进行自动微分, 求导, 结合反向传播, 更新权重
loss.backward()

# 7. 打印w, b 用来更新的梯度.
print(f'w的梯度: {w.grad}')
print(f'b的梯度: {b.grad}')
