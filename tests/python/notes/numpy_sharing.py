# 001: to NumPy and back
import numpy as np
import torch

# 张量转换为NumPy
def dm01():
    t1 = torch.tensor([1, 2, 3])

    # 1. 张量 -> numpy
    n1 = t1.numpy() # 共享内存
    n2 = t1.numpy().copy() # 复制一份，不公正内存

    # t1, n1 数据都改变，n2 数据未改变
    n1[0] = 11
    print(f"""
    t1: {t1}
    n1: {n1}
    n2: {n2}
    """)

# numpy -> 张量
def dm02():
    n1 = np.array([1, 2, 3])

    # 1. numpy -> 张量
    t1 = torch.from_numpy(n1) # 共享内存
    t2 = torch.tensor(n1)  # 不共享内存

    # t1, n1 数据都改变，t2 数据未改变
    n1[0] = 100
    print(f"""
    t1: {t1}
    n1: {n1}
    t2: {t2}
    """)


def dm03():
    t1 = torch.tensor(11)
    # 从张量提前内容
    a = t1.item()
    print(f'value: {a}, type: {type(a)}')


if __name__ == '__main__':
    dm01()
    dm02()
    dm03()
