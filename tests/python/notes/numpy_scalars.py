# 003: rows of a NumPy array beside tensors; forward, loss and the lists are not defined there
import numpy as np
import torch

x_data = np.array([1.0, 2.0, 3.0]) # numpy声明数组
y_data = np.array([2.0, 4.0, 6.0])
xy_data = np.column_stack((x_data, y_data)) # column_stack函数将一维数组按列合并成二维数组


def forward(x, w):
    return x * w


def loss(y, y_pred):
    return (y_pred - y) ** 2


w_list, mse_list = [], []
for w in np.arange(0.0, 10.0, 0.1): # np.arange函数可以创建包含浮点数的数组
    loss_sum = 0
    for x, y in xy_data:
        y_pred = forward(x, w)
        loss_sum += loss(y, y_pred)
    mse = loss_sum / len(xy_data)
    w_list.append(w)
    mse_list.append(mse)
print(len(w_list), w_list[int(np.argmin(mse_list))])

w = torch.tensor([[1.0]], requires_grad=True) # requires_grad=True使得w存储了梯度信息
x = xy_data[0, 0]
print(type(x), type(x * w), (x * w).dtype, x * w, w * x)

for epoch in range(100):
    for x, y in xy_data:
        l = loss(forward(x, w), y) # 前向传播计算损失
        l.backward() # 反向传播计算梯度，这里使用的方式是每一个样本点都计算一次梯度并更新参数
        w.data = w.data - 0.01 * w.grad.data # 使用梯度下降法更新参数
        w.grad.data.zero_() # 清空梯度，避免梯度累加
    if epoch % 20 == 0:
        print(epoch, l, w)

w = torch.tensor([[1.0]], requires_grad=True)
for epoch in range(100):
    l_sum = 0
    for x, y in xy_data:
        l = loss(forward(x, w), y)
        l_sum += l # 累加每个样本点的损失
    l_sum.backward() # 对总损失进行反向传播计算梯度
    w.data = w.data - 0.01 * w.grad.data
    w.grad.data.zero_()
    if epoch % 20 == 0:
        print(epoch, l_sum, w)
