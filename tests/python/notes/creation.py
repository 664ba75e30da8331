# 001: tensors from data
import torch
import numpy as np

np.random.seed(22)


# 根据指定数据创建张量
def dm01():
    # 创建0维张量。
    t1 = torch.tensor(10)
    print(f"t1: {t1}, type: {type(t1)}")

    # 创建1维张量
    t2 = torch.tensor([1, 2, 3])
    print(f"t2: {t2}, type: {type(t2)}")

    # 创建二维张量
    t3 = torch.tensor([[1, 2, 3], [4, 5, 6]])
    print(f"t3: {t3}, type: {type(t3)}")

    # numpy数组 -> 张量
    data = np.random.randint(0, 10, (2, 3))
    t4 = torch.IntTensor(data)
    print(f"t4: {t4}, type: {type(t4)}")

    # 如果类型不匹配，会自动转换
    t5 = torch.FloatTensor(data)
    # 默认: float32，不显示类型
    print(f"t5: {t5}, type: {type(t5)}")

    # 使用torch.Tensor创建张量
    t6 = torch.Tensor([[11, 12, 13], [21, 22, 23]])
    print(f"t6: {t6}, type: {type(t6)}")

    # 创建指定形状的张量。数据默认为0
    t7 = torch.Tensor(2, 3)
    print(f"t7: {t7}, type: {type(t7)}")

    # 创建指定类型的张量
    t8 = torch.DoubleTensor([[11, 12, 13], [21, 22, 23]])
    print(f"t8: {t8}, type: {type(t8)}")


if __name__ == '__main__':
    dm01()
