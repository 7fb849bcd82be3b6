"""Time of one PyTorch training step on a GPU, in the lines that `peers --cuda` reads.

    PYTHONPATH=PEERS_DIR torch_cuda.py NET MODE [DEVICE]

MODE: nchw or cl (channels last), with -tf32 where convolutions and products may round their factors to ten bits, which is
PyTorch's default for convolutions; without, the arithmetic is float32's, as ours.  A step ends when its loss is on the host.
"""
import statistics
import sys
import time

import torch

from nets import NETS

STEPS, WARM_UP = 40, 5


def measure(name, batch, mode, device):
    """A step's minimum and median time in ms."""
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = mode.endswith("-tf32")
    make, shape, _ = NETS[name]
    layout = torch.channels_last if mode.startswith("cl") else torch.contiguous_format
    model = make().to(device, memory_format=layout)
    x = torch.randn(batch, *shape, device=device).contiguous(memory_format=layout)
    y = torch.randint(0, 10, (batch,), device=device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    times = []
    for _ in range(WARM_UP + STEPS):
        start = time.perf_counter()
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        loss.item()
        times.append((time.perf_counter() - start) * 1e3)
    return min(times[WARM_UP:]), statistics.median(times[WARM_UP:])


net, mode, device = (sys.argv[1:] + ["cuda"])[:3]
for batch in NETS[net][2]:
    low, mid = measure(net, batch, mode, device)
    print(f"{net:12s} batch {batch:4d} {mode:10s} min {low:9.2f} ms  median {mid:9.2f} ms", flush=True)
