# 001: ranges, then the first draws after a seed
import torch

# 1. 创建指定访问的线性张量,
t1 = torch.arange(0, 10, 2) # [0, 2, 4, 6, 8]
print(f"t1 {t1}, type {type(t1)}")

# 2. 创建等差数量线性张量
t2 = torch.linspace(1, 10, 5)
print(f"t2 {t2}, type {type(t2)}")


# 3. 创建随机张量
torch.manual_seed(22)

# 3.1 均匀分布的(0, 1) 随机张量
t3 = torch.rand(size=(2, 3))
print(f"t3 {t3}, type {type(t3)}")

# 3.2 符合正太分布的随机张量
t4 = torch.randn(size=(2, 3))
print(f"t4 {t4}, type {type(t4)}")

# 3.3 创建随机整数张量
t5 = torch.randint(low=0, high=10, size=(2, 3))
print(f"t5 {t5}, type {type(t5)}")
