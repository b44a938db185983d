"""torch: `scaled_dot_product_attention` on the processor, with `enable_gqa` or, what some versions are faster with, the query heads of
a kv head as further rows of its query; the faster of both on the case's own cache counts. A step stores its tokens' k and v first."""
import torch
from torch.nn.functional import scaled_dot_product_attention

from peer.stopwatch import measure
from peer.tokens import DIM, GROUP, HEADS_KV

TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


class Refused(Exception):
    pass


class Attend:
    def __init__(self, type, tokens, threads):
        if type not in TYPES:
            raise Refused(f"torch attends no cache of {type}")
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        self.type, self.tokens, self.new = TYPES[type], tokens, slice(tokens.context - tokens.queries, tokens.context)
        heads_first = lambda array: torch.from_numpy(array).to(self.type).transpose(0, 1).contiguous()[None]
        self.q, self.k, self.v = map(heads_first, (tokens.q, tokens.k, tokens.v))
        self.rows = self.q.reshape(1, HEADS_KV, GROUP * tokens.queries, DIM)
        seen = torch.arange(tokens.context) <= torch.arange(self.new.start, self.new.stop)[:, None]
        self.mask = seen if tokens.queries > 1 else None
        self.rows_mask = seen.repeat(GROUP, 1) if tokens.queries > 1 else None
        self.bytes = 2 * self.k.nbytes
        self.caches = []
        self.attend = self.with_gqa

    def with_gqa(self, k, v):
        return scaled_dot_product_attention(self.q, k, v, attn_mask=self.mask, enable_gqa=True)

    def as_rows(self, k, v):
        return scaled_dot_product_attention(self.rows, k, v, attn_mask=self.rows_mask).view(self.q.shape)

    def add_copy(self):
        self.caches.append((self.k.clone(), self.v.clone()))
        if len(self.caches) == 1:
            times = {}
            for self.attend in (self.with_gqa, self.as_rows):
                self.step(0)
                times[self.attend] = measure(lambda count: [self.step(0) for _ in range(count)], torch.get_num_threads(), 0.05)[0]
            self.attend = min(times, key=times.get)

    def step(self, copy):
        k, v = self.caches[copy]
        k[:, :, self.new] = self.k[:, :, self.new]
        v[:, :, self.new] = self.v[:, :, self.new]
        self.o = self.attend(k, v)

    def output(self):
        return self.o[0].transpose(0, 1).float().numpy()
