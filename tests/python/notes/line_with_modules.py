# 004: y = 2x + 1 with a module, a loss and an optimizer; the line breaks are lost there
import torch
import torch.nn as nn
import torch.optim as optim

torch.manual_seed(22)
# -----------------------
# 1. 数据(y = 2x + 1)
# -----------------------
x = torch.randn(100, 1)    # torch.randn(n, d) -> 从标准正态分布采样,返回形状为 (100,1) 的张量
y = 2 * x + 1              # 按元素运算,y 的形状同 x,表示我们要拟合的目标函数
# -----------------------
# 2. 模型
# -----------------------
model = nn.Linear(1, 1)    # 全连接线性层:y = x * W^T + b
# -----------------------
# 3. 损失 + 优化器
# -----------------------
criterion = nn.MSELoss()               # 均方误差损失:默认 reduction='mean'
optimizer = optim.SGD(model.parameters(), lr=0.1)
# -----------------------
# 4. 训练循环
# -----------------------
for epoch in range(100):
    y_pred = model(x)                 # 等价于 model.forward(x)
    loss = criterion(y_pred, y)       # 计算 MSE Loss(标量)
    optimizer.zero_grad()             # 清零所有参数的梯度(非常重要,PyTorch 默认梯度是累加的)
    loss.backward()                   # 自动求导:计算 loss 对参数的梯度,结果存到 param.grad
    optimizer.step()                  # 根据 param.grad 更新参数(SGD:param -= lr * grad)
    if epoch % 25 == 0:
        print(model.weight.grad, model.bias.grad)
        print('Loss: {}'.format(loss.item()))
# -----------------------
# 5. 查看训练结果
# -----------------------
print(model.weight, model.bias)       # 打印训练后的权重和偏置(接近 2 和 1)

with torch.no_grad():                 # 不想计算梯度(推理)
    print(model(torch.tensor([[3.0]])))
