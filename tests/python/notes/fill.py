# 001: tensors of one value
import torch

# 1. 创建全1的张量
# 创建2行3列的全1张量
t1 = torch.ones(2, 3)
print(f"t1: {t1}, type: {type(t1)}")

# 2. t3 -> 基于t2的形状, 创建全1张量.
t2 = torch.tensor([[1, 2], [3, 4], [5, 6]])
t3 = torch.ones_like(t2)
print(f"t2: {t2}, type: {type(t2)}")
print(f"t3: {t3}, type: {type(t3)}")

# 3. 创建全0张量
t4 = torch.zeros(2, 3)
print(f"t4: {t4}, type: {type(t4)}")
# 基于t2的形状, 创建全0张量.
t5 = torch.zeros_like(t2)
print(f"t5: {t5}, type: {type(t5)}")


# 4. 创建指定值的张量
# 创建2行3列，所有值为5张量
t6 = torch.full((2, 3), 5)
print(f"t6: {t6}, type: {type(t6)}")
# # 基于t2的形状, 创建全255张量.
t7 = torch.full_like(t2, 255)
print(f"t7: {t7}, type: {type(t7)}")
