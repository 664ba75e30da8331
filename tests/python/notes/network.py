# 002: a network of two layers and its training; x_data and y_data are not defined there
import torch
import torch.nn as nn

torch.manual_seed(22)
x_data = torch.randn(16, 4)
y_data = x_data.flip(1) * 2


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.fc1 = nn.Linear(4, 10)  # 输入层到隐藏层的连接，输入维度为4，输出维度为10
        self.fc2 = nn.Linear(10, 4)  # 隐藏层到输出层的连接，输入维度为10，输出维度为4
        self.relu = nn.ReLU()  # 激活函数 ReLU：如果输入大于 0，输出等于输入；否则输出 0。
    def forward(self, x):
        x = self.fc1(x)
        x = self.relu(x)
        x = self.fc2(x)
        return x
net = Net() #创建一个 Net 类的实例（即一个具体的神经网络对象）
print(net)

criterion = nn.MSELoss()  # 定义均方误差损失函数
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)  # 定义随机梯度下降优化器，学习率为0.01
print(optimizer)

for epoch in range(1000):  # 训练1000个周期
    optimizer.zero_grad()  # 清空梯度
    output = net(x_data)  # 前向传播
    loss = criterion(output, y_data)  # 计算损失
    loss.backward()  # 反向传播
    optimizer.step()  # 更新参数
    if epoch % 100 == 99:  # 每100个周期打印一次损失
        print('Epoch: {}, Loss: {}'.format(epoch+1, loss.item()))
