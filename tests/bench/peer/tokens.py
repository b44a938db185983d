"""The tokens that every library gets, and what is right for them. A file holds f32: q [queries][32][128], then k and v
[context][8][128] each, normally distributed; the queries are those of the last tokens.

    python -m peer.tokens write FILE CONTEXT QUERIES
    python -m peer.tokens error FILE CONTEXT QUERIES RESULTS      # relative RMS error of o [queries][32][128] in f32"""
import sys

import numpy

HEADS_Q, HEADS_KV, DIM = 32, 8, 128
GROUP = HEADS_Q // HEADS_KV


class Tokens:
    def __init__(self, path, context, queries):
        numbers = numpy.fromfile(path, numpy.float32)
        q, kv = queries * HEADS_Q * DIM, context * HEADS_KV * DIM
        if len(numbers) != q + 2 * kv:
            sys.exit(f"error: {path} holds {len(numbers)} numbers, {q + 2 * kv} expected")
        self.context, self.queries = context, queries
        self.q = numbers[:q].reshape(queries, HEADS_Q, DIM)
        self.k, self.v = (part.reshape(context, HEADS_KV, DIM) for part in (numbers[q:q + kv], numbers[q + kv:]))

    def attend(self):
        """What attention is by its definition, in float64: [queries][32][128]."""
        result = numpy.empty(self.q.shape)
        for i in range(self.queries):
            seen = self.context - self.queries + i + 1
            for h in range(HEADS_Q):
                k, v = (part[:seen, h // GROUP].astype(numpy.float64) for part in (self.k, self.v))
                scores = k @ self.q[i, h].astype(numpy.float64) * DIM**-0.5
                weights = numpy.exp(scores - scores.max())
                result[i, h] = weights @ v / weights.sum()
        return result

    def error(self, got):
        """Relative RMS error."""
        right = self.attend()
        return float(numpy.sqrt(numpy.square(got.reshape(right.shape) - right).sum() / numpy.square(right).sum()))

    def operations(self):
        """FLOP of both products, over the pairs that a causal mask leaves."""
        return 4 * HEADS_Q * DIM * sum(self.context - i for i in range(self.queries))


def main():
    what, path, context, queries, *results = sys.argv[1:]
    context, queries = int(context), int(queries)
    if what == "write":
        count = (queries * HEADS_Q + 2 * context * HEADS_KV) * DIM
        numpy.random.default_rng(1).standard_normal(count, numpy.float32).tofile(path)
    else:
        print(Tokens(path, context, queries).error(numpy.fromfile(results[0], numpy.float32)))


if __name__ == "__main__":
    main()
