"""Time of one batch through ONNX Runtime on processors, in the lines that `peers --inference` reads.

    onnx_steps.py FILE C,H,W BATCH THREADS
"""
import statistics
import sys
import time

import numpy
import onnxruntime

file, shape, batch, threads = sys.argv[1], [int(n) for n in sys.argv[2].split(",")], int(sys.argv[3]), int(sys.argv[4])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
images = {session.get_inputs()[0].name: numpy.random.default_rng(0).standard_normal([batch, *shape], numpy.float32)}
times = []
while len(times) < 5 or sum(times) < 5000 and len(times) < 200:
    start = time.perf_counter()
    session.run(None, images)
    times.append((time.perf_counter() - start) * 1e3)
print(f"batch {batch:4d} min {min(times[1:]):9.2f} ms  median {statistics.median(times[1:]):9.2f} ms")
