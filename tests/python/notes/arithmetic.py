# 001: arithmetic with numbers, its in-place forms and operators
import torch

# 张量的基本运算
t1 = torch.tensor([1, 2, 3])

# 1. 张量加法，张量所有元素加10
t2 = t1.add(10) # 不会修改元数据
print(f"t2: {t2}")

# 2. 张量减法，张量所有元素减10
t3 = t1.sub(10)
print(f"t3: {t3}")

# 3. 张量乘法，张量所有元素乘10
t4 = t1.mul(10)
print(f"t4: {t4}")

# 4. 张量除法，张量所有元素除10
t5 = t1.div(10) # 会自动转换为浮点数
print(f"t5: {t5}")

# 5. 张量取负 [-1, -2, -3]
t6 = t1.neg()
print(f"t6: {t6}")

# add_、sub_、mul_、div_、neg_（其中带下划线的版本会修改原数据）
t7 = torch.tensor([1., 2., 3.])
print(t7.add_(10), t7.sub_(1), t7.mul_(2), t7.div_(4), t7.neg_(), t7)
# 可以用 “+, -, *, / ”符号来替代 上述的 加减乘除函数.
print(t1 + 10, t1 - 10, t1 * 10, t1 / 10, -t1)
try:
    t1.div_(10)
except RuntimeError as error:
    print(error)
