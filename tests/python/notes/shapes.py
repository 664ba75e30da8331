# 001: shapes, views, contiguity
import torch

torch.manual_seed(22)


def reshape():
    # 1. 定义张量
    t1 = torch.randint(1, 10, size=(2, 3))
    print(f"t1: {t1}")

    # 2. 改变张量的形状。改变后的形状必须和原张量的元素数量一致
    print(f"""
    (3,2): {t1.reshape(3, 2)}
    (1, 6): {t1.reshape(1, 6)}
    (1, 6): {t1.reshape(2, 3, 1)}
    """)


def squeeze():
    t1 = torch.randint(1, 10, size=(2, 3))
    print(f't1: {t1}, shape: {t1.shape}')

    # 1. 在0维度上添加1个维度
    t2 = t1.unsqueeze(0)
    print(f't2: {t2}, shape: {t2.shape}')

    # 2. 在1维上, 添加一个维度.
    t3 = t1.unsqueeze(1)
    print(f't3: {t3}, shape: {t3.shape}')

    # 3. 在2维上, 添加一个维度.
    t4 = t1.unsqueeze(2)
    print(f't4: {t4}, shape: {t4.shape}')

    t5 = torch.randint(1, 10, size=(2, 1, 3, 1, 1))
    print(f't5: {t5}, shape: {t5.shape}')

    # 删除所有为1的维度，元素数量不变。
    t6 = t5.squeeze()
    print(f't6: {t6}, shape: {t6.shape}')


def transpose():
    t1 = torch.randint(1, 10, size=(2, 3, 4))
    print(f't1: {t1}, shape: {t1.shape}')

    # 2. 改变维度从 (2, 3, 4) -> (4, 3, 2)
    # transpose 交换 0和1维。 只能交换2个维度。
    t2 = t1.transpose(0, -1)
    print(f't2: {t2}, shape: {t2.shape}')

    # 3. 改变维度从 (2, 3, 4) -> (4, 2, 3)
    # permute(2, 0, 1), 2维变成0维，0维变成1维，1维变成2维 -> (4, 2, 3)
    t3 = t1.permute(2, 0, 1)
    print(f't3: {t3}, shape: {t3.shape}')
    t2[0, 0, 0] = 99  # 共享内存
    print(t1[0, 0, 0], t3[0, 0, 0])


def view():
    t1 = torch.randint(1, 10, size=(2, 3))
    print(f't1: {t1}, shape: {t1.shape}')

    #1. 判断张量是否连续. 即: 张量中的顺序 和 内存中存储顺序是否一致.
    print(f"t1 is_contiguous: {t1.is_contiguous()}")

    # 2. view 可以修改连续的张量的形状，改变后任然是连续的
    t2 = t1.view(3, 2)
    print(f't2: {t2}, shape: {t2.shape}')

    # 3. transpose交换维度后，不连续了。
    t3 = t1.transpose(0, 1)
    print(f't3: {t3}, shape: {t3.shape}, t3 is_contiguous: {t3.is_contiguous()}')
    try:
        t4 = t3.view(2, 3)      # t3不连续, 所以view()无法改变形状. 报错.
    except RuntimeError as error:
        print(error)

    # 4.可以通过 contiguous()函数, 把 t3张量 -> 连续张量 -> 然后就能通过view修改形状了
    t5 = t3.contiguous().view(2, 3)
    print(f't5: {t5}, shape: {t5.shape}, t5 is_contiguous: {t5.is_contiguous()}')


if __name__ == '__main__':
    view()
    reshape()
    squeeze()
    transpose()
