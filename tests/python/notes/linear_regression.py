# 001: linear regression with data, loader, model, optimizer and plots
# 导入相关模块
import torch
from torch.utils.data import TensorDataset  # 构造数据集对象
from torch.utils.data import DataLoader  # 数据加载器
from torch import nn  # nn模块中有平方损失函数和假设函数
from torch import optim  # optim模块中有优化器函数
from sklearn.datasets import make_regression  # 创建线性回归模型数据集
import matplotlib.pyplot as plt  # 可视化

plt.rcParams['font.sans-serif'] = ['SimHei']  # 用来正常显示中文标签
plt.rcParams['axes.unicode_minus'] = False  # 用来正常显示负号

torch.manual_seed(22)


def create_dataset():
    # 1. 创建线性回归模拟数据集
    x, y, coef = make_regression(
        n_samples=100,  # 100条样本(100个样本点)
        n_features=1,  # 1个特征(1个特征点)
        noise=10,  # 噪声, 噪声越大, 样本点越散, 噪声越小, 样本点越集中
        coef=True,  # 是否返回系数, 默认为False, 返回值为None
        bias=14.5,  # 偏置
        random_state=3  # 随机种子, 随机种子相同, 输出数据相同
    )

    x = torch.tensor(x).float()
    y = torch.tensor(y).float()

    return x, y, coef


# 2. 模型训练
def train(x, y, coef):
    # 1. 创建数据集对象
    dataset = TensorDataset(x, y)

    # 2. 创建数据加载器
    dataloader = DataLoader(dataset, batch_size=10, shuffle=True)

    # 3. 创建线性回归模型
    # 默认权重、编制都是随机的。使用kaiming_uniform_初始化
    model = nn.Linear(1, 1)

    # 4. 创建损失函数
    criterion = nn.MSELoss()

    # 5. 创建优优化器
    # parameters(): 用于获取模型的所有可学习参数（即权重和偏置）
    optimizer = optim.SGD(model.parameters(), lr=0.01)

    # 6. 具体训练过程
    # 定义变量, 分别表示: 训练轮数, 每轮的(平均)损失值, 训练总损失值, 训练的样本数.
    epochs, loss_list, total_loss, total_sample = 100, [], 0.0, 0
    # 开始训练
    for epoch in range(epochs):  # 训练轮数
        for train_x, train_y in dataloader:  # 训练批次
            # 6.1 模型预测
            y_pred = model(train_x)

            # 6.2 计算每批次的评价损失值
            # reshape(-1, 1)，第一维自动计算，第二维的大小为 1（即每行只有一个元素）。
            loss = criterion(y_pred, train_y.reshape(-1, 1))
            total_loss += loss.item()
            total_sample += 1

            # 6.3 梯度清零 + 反向传播 + 梯度更新.
            optimizer.zero_grad()  # 梯度清零
            loss.backward()  # 反向传播
            optimizer.step()  # 梯度更新

        loss_list.append(total_loss / total_sample)
        print(f'轮数: {epoch + 1}, 平均损失值: {total_loss / total_sample}')

    # 7. 打印(最终的)训练结果.
    print(f'{epochs} 轮的平均损失分别为: {loss_list}')
    print(f'模型参数, 权重: {model.weight}, 偏置: {model.bias}')

    # 8. 绘制损失曲线.
    #                 100轮         每轮的平均损失值
    plt.plot(range(epochs), loss_list)
    plt.title('损失值曲线变化图')
    plt.grid()  # 绘制网格线
    plt.show()

    # 9. 绘制预测值和真实值的关系.
    # 9.1 绘制样本点分布情况.
    plt.scatter(x, y)
    # 9.2 绘制训练模型的预测值.
    # x: 100个样本点的特征.
    y_pred = torch.tensor(data=[v * model.weight + model.bias for v in x])
    # 9.3 计算真实值.
    y_true = torch.tensor(data=[v * coef + 14.5 for v in x])
    # 9.4 绘制预测值 和 真实值的 折线图.
    plt.plot(x, y_pred, color='red', label='预测值')
    plt.plot(x, y_true, color='green', label='真实值')
    # 9.5 图例, 网格.
    plt.legend()
    plt.grid()
    # 9.6 显示图像.
    plt.show()

    plt.show()
    return y_pred, y_true


if __name__ == '__main__':
    # 3.1 创建数据集.
    x, y, coef = create_dataset()
    # print(f'x: {x}, y: {y}, coef: {coef}')

    # 3.2 模型训练.
    y_pred, y_true = train(x, y, coef)

    # what the pictures hold
    axes = plt.gca()
    print(coef, type(coef), (x[0] * coef).dtype)
    print(y_pred.shape, y_pred.dtype, y_true.shape, y_true.dtype)
    print(axes.get_title(), [text.get_text() for text in axes.get_legend().get_texts()])
    print(axes.collections[0].get_offsets().shape, [(line.get_color(), len(line.get_xdata())) for line in axes.lines])
