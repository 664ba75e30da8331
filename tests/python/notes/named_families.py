# 001, 002, 004: layers and optimizers that the texts name without calling them
import torch
from torch import nn, optim

torch.manual_seed(22)
net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 3))
x, y = torch.randn(6, 1, 8, 8), torch.tensor([0, 1, 2, 0, 1, 2])
criterion = nn.CrossEntropyLoss()
start = {name: value.clone() for name, value in net.state_dict().items()}
for make in (lambda p: optim.Adam(p, lr=0.01), lambda p: optim.RMSprop(p, lr=0.01), lambda p: optim.SGD(p, lr=0.1)):
    net.load_state_dict(start)
    optimizer = make(net.parameters())
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.5)
    for step in range(10):
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
    print(type(optimizer).__name__, scheduler.get_last_lr(), 'Loss: {}'.format(loss.item()))


rnn = nn.LSTM(4, 5, batch_first=True)
output, (h, c) = rnn(torch.randn(2, 7, 4))
print(output.shape, h.shape, c.shape, output[0, -1])
