"""Whether peer/kvcc.c attends the tokens of a file: its results against attention written out here, in Python's floats.

    peer_kvcc_test.py KVCC CC"""
import argparse
import array
import math
import pathlib
import random
import sys
import tempfile
import unittest

from peer.common import Case
from peer.kvcc import Kvcc

HEADS_Q, HEADS_KV, DIM = 32, 8, 128
CONTEXT, QUERIES = 45, 2  # the second page is not full


def attend(q, k, v):
    """o [queries][32][128] of q, k and v, all flat."""
    result = []
    for i in range(QUERIES):
        seen = CONTEXT - QUERIES + i + 1
        for h in range(HEADS_Q):
            query = q[(i * HEADS_Q + h) * DIM:][:DIM]
            rows = [(t * HEADS_KV + h // (HEADS_Q // HEADS_KV)) * DIM for t in range(seen)]
            weights = [math.exp(sum(a * b for a, b in zip(query, k[row:row + DIM])) / math.sqrt(DIM)) for row in rows]
            result += [sum(w * v[row + d] for w, row in zip(weights, rows)) / sum(weights) for d in range(DIM)]
    return result


class KvccTest(unittest.TestCase):
    def test_results_are_of_the_tokens(self):
        draw = random.Random(1)
        numbers = array.array("f", (draw.gauss(0, 1) for _ in range((QUERIES * HEADS_Q + 2 * CONTEXT * HEADS_KV) * DIM)))
        q, kv = QUERIES * HEADS_Q * DIM, CONTEXT * HEADS_KV * DIM
        right = attend(numbers[:q], numbers[q:q + kv], numbers[q + kv:])
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "tokens").write_bytes(numbers.tobytes())
            arguments = argparse.Namespace(kvcc=pathlib.Path(sys.argv[1]), cc=sys.argv[2], layout="paged(32)", accuracy=None, queries=QUERIES)
            for type, bound in ("f16", 1e-3), ("bf16", 8e-3):  # `high`, and what the type forgets
                Kvcc(arguments, folder).results(Case(type, CONTEXT, 1), folder / "tokens", folder / "results")
                got = array.array("f", (folder / "results").read_bytes())
                self.assertEqual(len(got), len(right))
                error = math.sqrt(sum((a - b)**2 for a, b in zip(got, right)) / sum(b * b for b in right))
                self.assertLess(error, bound)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
