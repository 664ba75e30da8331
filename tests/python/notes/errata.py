# What the texts get wrong, and what is not there
import torch

try:
    torch.arrange(0, 10, 2)
except AttributeError as error:
    print(error)
print(torch.cuda.is_available(), torch.cuda.device_count())
try:
    torch.zeros(1).cuda()
except (AssertionError, RuntimeError) as error:
    print(type(error).__name__, str(error).splitlines()[0])
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
print(device, torch.ones(2).to(device))
try:
    torch.ones(2, requires_grad=True).mul(2).backward()  # 只支持对标量求导
except RuntimeError as error:
    print(error)
