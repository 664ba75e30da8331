# 001: products by elements and of matrices
import torch

# 张量的基本运算
t1 = torch.tensor([1, 2, 3])
t2 = torch.tensor([10, 20, 30])

# [10, 40, 90]。 对于位置相乘
t3 = t1.mul(t2)
print(f"t3: {t3}")

# 条件: A列=B行, 结果: A行B列
# 1. 定义张量, 2行3列.
t1 = torch.tensor([[1, 2, 3], [4, 5, 6]])
print(f't1: {t1}')

# 2. 定义张量, 3行2列.
t2 = torch.tensor([[1, 2], [3, 4], [5, 6]])
print(f't2: {t2}')

# 3. 演示 张量 矩阵乘法操作.
t3 = t1 @ t2
# t3 = t1.matmul(t2)  # 效果同上, matrix multiply(矩阵乘法）
print(f't3: {t3}')
print(t1.matmul(t2))
