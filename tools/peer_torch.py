"""The same U-Net in PyTorch, as a peer to time ours against: `tools/bench.py gpu` runs this where torch is installed.

python tools/peer_torch.py '{"size": 256, "filters": 32, "depth": 4, "stem": 1, "batch": 16, "steps": 48}' [--graphs]

Channels last, bfloat16 by autocast, AdamW in one kernel, cross-entropy with weights for the classes and void ignored;
its one batch lies on the device. With --graphs, ``torch.compile(mode="reduce-overhead")`` replays CUDA graphs. One line
of JSON is printed.
"""

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional

CLASSES, VOID = 33, 255


def convolution(into, out, size=3, stride=1):
    """A convolution, batch normalisation and ReLU."""
    padding = size // 2 if stride == 1 else 0
    return nn.Sequential(
        nn.Conv2d(into, out, size, stride, padding, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)
    )


def two_convolutions(into, out):
    """Two of them, of 3x3 pixels."""
    return nn.Sequential(convolution(into, out), convolution(out, out))


class UNet(nn.Module):
    """The network of `helpers.unet.unet`, with the same number of weights."""

    def __init__(self, filters, depth, stem):
        super().__init__()
        widths = [filters * 2**level for level in range(depth + 1)]
        self.stem = convolution(3, filters, stem, stem) if stem > 1 else nn.Identity()
        first = [filters if stem > 1 else 3, *widths[:-1]]
        self.down = nn.ModuleList(two_convolutions(*pair) for pair in zip(first, widths, strict=True))
        self.doubling = nn.ModuleList(nn.ConvTranspose2d(2 * width, width, 2, 2) for width in widths[:-1])
        self.up = nn.ModuleList(two_convolutions(2 * width, width) for width in widths[:-1])
        self.logits = nn.Conv2d(filters, CLASSES, 1)
        self.enlarge = nn.Upsample(scale_factor=stem, mode="bilinear") if stem > 1 else nn.Identity()

    def forward(self, images):
        """From images (batch, RGB, row, col), 0-255, to logits (batch, class, row, col)."""
        x, skips = self.stem(images / 127.5 - 1), []
        for level, block in enumerate(self.down):
            x = block(functional.max_pool2d(x, 2) if level else x)
            skips.append(x)
        skips.pop()
        for double, block in zip(reversed(self.doubling), reversed(self.up), strict=True):
            x = block(torch.cat([skips.pop(), double(x)], 1))
        return self.enlarge(self.logits(x))


def measure(size, filters, depth, stem, batch, steps, graphs):
    """Times `steps` training steps, after as many as it takes to be ready: a dict."""
    on_gpu = torch.cuda.is_available()
    device = "cuda" if on_gpu else "cpu"
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    images = (255 * torch.rand(batch, 3, size, size, device=device)).to(memory_format=torch.channels_last)
    labels = torch.randint(0, CLASSES, (batch, size, size), device=device)
    labels[:, : size // 16] = VOID
    weights = 0.5 + torch.rand(CLASSES, device=device)
    network = UNet(filters, depth, stem).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, fused=on_gpu)
    model = torch.compile(network, mode="reduce-overhead") if graphs else network

    def step():
        with torch.autocast(device, torch.bfloat16):
            logits = model(images)
        loss = functional.cross_entropy(logits.float(), labels, weight=weights, ignore_index=VOID)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    def seconds(n):
        start = time.perf_counter()
        for _ in range(n):
            step()
        if on_gpu:
            torch.cuda.synchronize()
        return time.perf_counter() - start

    first = seconds(1)
    seconds(max(2, steps // 4))
    return {
        "ms": 1000 * seconds(steps) / steps,
        "first": first,
        "weights": sum(weight.numel() for weight in network.parameters()),
        "card_gb": torch.cuda.max_memory_allocated() / 1e9 if on_gpu else None,
    }


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]), graphs="--graphs" in sys.argv)))
