# 001: the order in which a shuffling loader visits 100 rows
import torch
from torch.utils.data import TensorDataset, DataLoader

torch.manual_seed(22)
x = torch.arange(100.).reshape(100, 1)
for train_x, train_y in DataLoader(TensorDataset(x, x), batch_size=10, shuffle=True):
    print(train_x.shape, train_x.int().flatten().tolist())
