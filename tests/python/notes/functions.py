# 001: sums, extremes, means, powers
import torch

t1 = torch.tensor([[1, 2, 3], [4, 5, 6]], dtype=torch.float)
print(f't1: {t1}')

# 1. 求和
# 张量求和: 21.0
# 按照列求和: tensor([5., 7., 9.])
# 按照行求和：tensor([ 6., 15.])
print(f"""
张量求和: {t1.sum()}
按照列求和: {t1.sum(dim=0)}
按照行求和：{t1.sum(dim=1)}
""")

# 2. 求最大、最小值。max、min
print(f"""
张量求最大值: {t1.max()}
按照列求最大值: {t1.max(dim=0)}
按照行求最大值：{t1.max(dim=1)}
""")

# 3. mean()， 计算平均值
print(f"""
张量求平均值: {t1.mean()}
按照列求平均值: {t1.mean(dim=0)}
按照行求平均值：{t1.mean(dim=1)}
""")

# 4. 计算n次幂，没有dim参数。所有元素计算的n次幂
print(t1.pow(2))

# sqrt() 平方根，也没有dim参数，所有元素计算平方根
print(t1.sqrt())

# sum,mean,sqrt,pow,exp,log,max,min等
print(t1.sum(), t1.min(), t1.min(dim=1), (t1 / 2).exp(), t1.log())
