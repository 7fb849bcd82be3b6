"""torchvision's networks on photos, for `tools/bench/peers --torchvision`: what nets.py of PEERS_DIR is for small images."""
import functools

import torchvision

BATCHES = {
    "resnet18": 16,
    "resnet50": 8,
    "vgg11_bn": 16,
    "mobilenet_v2": 16,
    "mobilenet_v3_large": 16,
    "efficientnet_b0": 16,
    "densenet121": 16,
    "convnext_tiny": 16,
    "regnet_y_400mf": 16,
}
NETS = {name: (functools.partial(torchvision.models.get_model, name, num_classes=10), (3, 224, 224), [batch])
        for name, batch in BATCHES.items()}
