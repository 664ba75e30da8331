# 000: y = 2x + 3 by gradient descent
import torch

torch.manual_seed(22)

# 数据：y = 2x + 3
x = torch.linspace(-5, 5, 20).unsqueeze(1)  # shape: (20, 1) 20 行、每行 1 个特征”的小批量数据
y = 2 * x + 3

# 参数初始化随机，让他拟合实际值
w = torch.randn(1, requires_grad=True)
b = torch.randn(1, requires_grad=True)

learning_rate = 0.01

for epoch in range(200):
    # 前向传播
    y_pred = w * x + b
    loss = ((y_pred - y) ** 2).mean()  # MSE 均方误差
    
    # 反向传播
    loss.backward()
    
    # 参数更新 (手动 SGD)
    with torch.no_grad():
        w -= learning_rate * w.grad
        b -= learning_rate * b.grad
    
    # 梯度清零
    w.grad.zero_()
    b.grad.zero_()
    
    if (epoch+1) % 50 == 0:
        print(f"Epoch {epoch+1}: loss={loss.item():.4f}, w={w.item():.4f}, b={b.item():.4f}")
