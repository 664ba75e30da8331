# 004: evaluation mode, and a checkpoint
import os
import tempfile
import torch
import torch.nn as nn

torch.manual_seed(22)
model = nn.Linear(1, 1)
print(model.eval().training, model.train().training)
os.chdir(tempfile.mkdtemp())
torch.save(model.state_dict(), "ckpt.pth")
other = nn.Linear(1, 1)
print(other.load_state_dict(torch.load("ckpt.pth")), torch.equal(model.weight, other.weight))
os.remove("ckpt.pth")
