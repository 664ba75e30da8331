# 001: detach before numpy
import torch

torch.manual_seed(22)


t = torch.tensor([10, 20], requires_grad=True, dtype=torch.float)

# 会报错，不能转换为numpy
try:
    print(f"{t.numpy()}")
except RuntimeError as error:
    print(error)


# detach()方法产生一个新的张量，底层数据和t1共享内存，但是不会自动微分。
t1 = t.detach()
print(f"""
t1: {t1}
t1.requires_grad: {t1.requires_grad}
t1 numpy: {t1.numpy()}
""")
t1[0] = 7
print(t)
