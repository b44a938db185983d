#!/usr/bin/env python3
"""Decode on a GPU: f16, int8 and int4 caches (decode.kv) against the device's copy bandwidth and against torch's
scaled_dot_product_attention on f16 tensors of the same shape, every cache cold, in one table.

    tests/bench/gpu_decode.py --kvcc build/bin/kvcc --json decode.json

Each batch is one run of `kvcc bench --target gpu`, and torch takes its turn right after it. Of torch's backends the fastest counts."""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time
import warnings

HEADS_Q, HEADS_KV, DIM = 32, 8, 128  # as in decode.kv
SPEC = pathlib.Path(__file__).with_name("decode.kv")
ROOT = pathlib.Path(__file__).resolve().parents[2]


def bench(arguments, batch):
    """The rows of `kvcc bench` for one batch and all contexts."""
    command = [arguments.kvcc, "bench", SPEC, "--target", "gpu", "--mode", "cold", "--json"]
    command += ["--kernel", ",".join(f"{codec}_decode" for codec in arguments.codec), "--seconds", arguments.seconds]
    command += ["--batch", batch, "--context", ",".join(map(str, arguments.context))]
    run = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    if run.returncode:
        sys.exit(f"gpu_decode.py: `{' '.join(map(str, command))}` ended with {run.returncode}")
    return json.loads(run.stdout)


class Torch:
    """torch's attention on the first device."""

    def __init__(self, seconds):
        try:
            import torch
        except ImportError as error:
            sys.exit(f"gpu_decode.py: no torch here ({error}): install it, or say --without-torch")
        if not torch.cuda.is_available():
            sys.exit("gpu_decode.py: torch finds no GPU: install one built for CUDA, or say --without-torch")
        from torch.nn.attention import SDPBackend, sdpa_kernel

        warnings.simplefilter("ignore")  # a backend says why it does not take a shape
        self.torch, self.sdpa_kernel, self.seconds = torch, sdpa_kernel, seconds
        self.backends = [SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
        self.device = torch.cuda.get_device_properties(0)

    def decode(self, batch, context):
        """Seconds of one step, and the name of the backend that took them."""
        torch = self.torch
        step_bytes = 2 * batch * HEADS_KV * context * DIM * 2
        # The same step is taken again when four times what the second-level cache holds has been read in between, as kvcc does it.
        copies = max(2, 4 * self.device.L2_cache_size // step_bytes + 1)
        options = {"dtype": torch.float16, "device": "cuda"}
        q = torch.randn(batch, HEADS_Q, 1, DIM, **options)
        caches = [[torch.randn(batch, HEADS_KV, context, DIM, **options) for _ in "kv"] for _ in range(copies)]
        times = {}
        for backend in self.backends:
            try:
                with self.sdpa_kernel(backend):
                    times[backend.name] = self.time(q, caches)
            except RuntimeError:  # it does not take these shapes, or this device
                pass
        if not times:
            sys.exit(f"gpu_decode.py: no backend of torch takes batch {batch}, context {context}")
        best = min(times, key=times.get)
        del q, caches
        torch.cuda.empty_cache()
        return times[best], best

    def time(self, q, caches):
        torch = self.torch
        attention = torch.nn.functional.scaled_dot_product_attention
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        turn = 0

        def sample(count):
            nonlocal turn
            start.record()
            for _ in range(count):
                k, v = caches[turn % len(caches)]
                attention(q, k, v, enable_gqa=True)
                turn += 1
            end.record()
            end.synchronize()
            return start.elapsed_time(end) * 1e-3 / count

        sample(3)
        count = min(max(int(2e-3 / sample(3)), 1), 10000)
        samples, stop = [], time.monotonic() + self.seconds
        while len(samples) < 7 or time.monotonic() < stop:
            samples.append(sample(count))
        return statistics.median(samples)


def main():
    numbers = lambda text: [int(part) for part in text.split(",")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kvcc", default=ROOT / "build/bin/kvcc", help="the compiler (default: %(default)s)")
    parser.add_argument("--codec", type=lambda text: text.split(","), default=["half", "int8", "int4"], help="caches of decode.kv")
    parser.add_argument("--batch", type=numbers, default=[1, 16, 64, 128], help="sequences, comma separated")
    parser.add_argument("--context", type=numbers, default=[1024, 8192, 32768], help="tokens, comma separated")
    parser.add_argument("--seconds", type=float, default=0.5, help="time for each number")
    parser.add_argument("--without-torch", action="store_true", help="only kvcc's kernels")
    parser.add_argument("--json", type=pathlib.Path, help="a file for the numbers")
    arguments = parser.parse_args()

    torch = None if arguments.without_torch else Torch(arguments.seconds)
    rows = []
    print(f"{'kernel':<14} {'batch':>5} {'context':>8} {'us':>10} {'cache GB/s':>10} {'copy GB/s':>10} {'share':>6} "
          f"{'torch us':>10} {'times':>6} backend")
    for batch in arguments.batch:
        measured = bench(arguments, batch)
        for context in arguments.context:
            seconds, backend = torch.decode(batch, context) if torch else (None, None)
            for row in (row for row in measured if row["context"] == context):
                row["torch_us"], row["torch_backend"] = seconds and seconds * 1e6, backend
                rows.append(row)
                against = f"{row['torch_us']:>10.1f} {row['torch_us'] / row['us']:>6.2f} {backend}" if torch else ""
                print(f"{row['kernel']:<14} {batch:>5} {context:>8} {row['us']:>10.1f} {row['gbps']:>10.1f} "
                      f"{row['memory_gbps']:>10.1f} {100 * row['share']:>4.0f} % {against}", flush=True)
    if arguments.json:
        about = {"device": torch.device.name, "torch": torch.torch.__version__} if torch else {}
        arguments.json.write_text(json.dumps({**about, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
