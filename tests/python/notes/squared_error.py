# 004: the mean of squared errors
import torch
import torch.nn as nn
y_true = torch.tensor([1.0, 2.0, 3.0])
y_pred = torch.tensor([1.5, 2.5, 2.0])
criterion = nn.MSELoss()
loss = criterion(y_pred, y_true)
print(loss)  # 输出:0.4167
