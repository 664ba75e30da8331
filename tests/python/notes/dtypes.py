# 001: dtypes
import torch

# 1. 创建指定类型的张量
t1 = torch.tensor([1, 2, 3], dtype=torch.float32)
print(f"t1: {t1}, 类型： {t1.dtype}")

# 2. 类型转换
t2 = t1.type(torch.double)
print(f"t2: {t2}, 类型： {t2.dtype}")

# 3. 直接转换类型
print(t2.half())        # float16
print(t2.float())       # float32, 默认
print(t2.double())      # float64
print(t2.short())       # int16
print(t2.int())         # int32
print(t2.long())        # int64, 默认
