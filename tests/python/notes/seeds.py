# 001: seeds, and the streams that the text speaks of
import torch

print(type(torch.manual_seed(22)), torch.random.initial_seed())
print(torch.randn(15))
torch.random.manual_seed(22)
print(torch.randn(16))
torch.manual_seed(22)
print(torch.randperm(10))
