# 001: cat and stack
import torch

torch.manual_seed(22)

t1 = torch.randint(1, 10, (2, 3))
print(f"t1: {t1}, shape: {t1.shape}")

t2 = torch.randint(1, 10, (2, 3))
print(f"t2: {t2}, shape: {t2.shape}")

# 在0维拼接张量，就是按照行顺序拼接。
# (2, 3) + (2, 3) = (4, 3)
# [[3, 8, 2], [4, 8, 3], [3, 2, 3], [7, 3, 5]]
t3 = torch.cat([t1, t2], dim=0)
print(f"t3: {t3}, shape: {t3.shape}")

# 在0维拼接张量，就是按照列顺序拼接。
# (2, 3) + (2, 3) = (2, 6)
# [[3, 8, 2, 3, 2, 3],[4, 8, 3, 7, 3, 5]]
t4 = torch.cat([t1, t2], dim=1)
print(f"t4: {t4}, shape: {t4.shape}")


# stack() 拼接张量, 可以是新维度, 但是无论新旧维度, 所有维度都必须保持一致
# (2, 3) + (2, 3) = (2, 2, 3)
t5 = torch.stack([t1, t2], dim=0)
print(f"t5: {t5}, shape: {t5.shape}")


# (2, 3) + (2, 3) = (2, 3, 2)
t6 = torch.stack([t1, t2], dim=2)
print(f"t6: {t6}, shape: {t6.shape}")
