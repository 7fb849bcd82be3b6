"""Trains a network in PyTorch by the recipe of tools/bench/train, and prints one line of JSON.

    torch_train.py PEERS_DIR TASK DATA EPOCHS SEED LR

The images lie in memory, and flips and shifts are done on whole batches: the fastest of what PyTorch's users write.
"""
import gzip
import json
import pathlib
import sys
import time

start = time.perf_counter()
import numpy
import torch
import torch.nn.functional as F


def idx(path):
    data = (gzip.open if str(path).endswith(".gz") else open)(path, "rb").read()
    shape = [int.from_bytes(data[4 + 4 * i:8 + 4 * i], "big") for i in range(data[3])]
    return numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def folder(path):
    from PIL import Image
    images, labels = [], []
    for label, group in enumerate(sorted(p for p in pathlib.Path(path).iterdir() if p.is_dir())):
        for file in sorted(group.iterdir()):
            images.append(numpy.asarray(Image.open(file).convert("RGB")))
            labels.append(label)
    return numpy.stack(images).transpose(0, 3, 1, 2), numpy.array(labels)


def load(task, data):
    if task == "lenet":
        images, labels = (idx(part) for part in data.split(","))
        order = numpy.random.RandomState(0).permutation(len(images))
        held = len(images) // 5
        parts = [(images[order[held:], None], labels[order[held:]]), (images[order[:held], None], labels[order[:held]])]
    else:
        parts = [folder(pathlib.Path(data) / name) for name in ("train", "test")]
    x, y = parts[0]
    axes = (0, 2, 3)
    mean, std = x.mean(axes, keepdims=True) / 255, x.std(axes, keepdims=True) / 255
    black = torch.tensor((-mean / std).astype(numpy.float32))
    return black, [(torch.tensor(((a / 255 - mean) / std).astype(numpy.float32)), torch.tensor(b.astype(numpy.int64))) for a, b in parts]


def flip_and_shift(x, black, pixels=4):
    """As torchvision's RandomHorizontalFlip and RandomCrop(padding=4), but of each image of the batch by itself."""
    n, _, h, w = x.shape
    padded = F.pad(x - black, [pixels] * 4) + black
    rows = torch.randint(0, 2 * pixels + 1, (n, 1)) + torch.arange(h)
    columns = torch.randint(0, 2 * pixels + 1, (n, 1)) + torch.arange(w)
    columns = torch.where(torch.rand(n, 1) < 0.5, columns.flip(1), columns)
    return padded[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def main():
    peers, task, data, epochs, seed, lr = sys.argv[1:7]
    epochs, lr = int(epochs), float(lr)
    sys.path.insert(0, peers)
    from nets import NETS
    torch.manual_seed(int(seed))
    black, ((x, y), (test_x, test_y)) = load(task, data)
    net = NETS[task][0]().to(memory_format=torch.channels_last)
    batch = 64 if task == "lenet" else 128
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, weight_decay=0 if task == "lenet" else 5e-4)
    steps = len(x) // batch
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * steps)
    best = 0
    for _ in range(epochs):
        net.train()
        order, losses = torch.randperm(len(x)), []
        for i in range(steps):
            chosen = order[i * batch:(i + 1) * batch]
            images = x[chosen] if task == "lenet" else flip_and_shift(x[chosen], black)
            optimizer.zero_grad()
            loss = F.cross_entropy(net(images.to(memory_format=torch.channels_last)), y[chosen])
            loss.backward()
            losses.append(loss.detach())
            optimizer.step()
            schedule.step()
        net.eval()
        with torch.no_grad():
            right = sum((net(a).argmax(1) == b).sum().item() for a, b in zip(test_x.split(256), test_y.split(256)))
        accuracy = right / len(test_x)
        best = max(best, accuracy)
    print(json.dumps({"seconds": time.perf_counter() - start, "best": best, "last": accuracy, "train": torch.stack(losses).mean().item()}))


main()
