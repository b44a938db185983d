"""OpenVINO: the operator PagedAttention of its processor plugin, which its own serving library runs, in a model of nothing else. Python
has it as `openvino.op._PagedAttentionExtension`; the plugin decides what a block of the cache is (32 tokens), from the precisions asked
for and from what the node's run-time information says of its heads. u8 and u4 keys have a scale and a zero for each channel of a block,
values for each token. A cache's bytes are the plugin's own: they are filled by steps, 256 tokens each, that see only themselves."""
import numpy
import openvino
import openvino.opset13 as opset
from openvino import PartialShape, Tensor, Type
from openvino.op import _PagedAttentionExtension as PagedAttention

from peer.tokens import DIM, HEADS_KV, HEADS_Q

# Each type: precision of the cache, and of what is computed where that is the fastest choice (it takes bf16 with bf16 only).
TYPES = {"f32": ("f32", "f32"), "f16": ("f16", "f32"), "bf16": ("bf16", "bf16"), "int8": ("u8", "f32"), "int4": ("u4", "f32")}
INPUTS = {"q": [-1, HEADS_Q * DIM], "k": [-1, HEADS_KV * DIM], "v": [-1, HEADS_KV * DIM], "key_cache.0": [-1] * 4,
          "value_cache.0": [-1] * 4, "past_lens": [-1], "subsequence_begins": [-1], "block_indices": [-1],
          "block_indices_begins": [-1], "max_context_len": []}
FILL = 256  # tokens of a step that fills


class Refused(Exception):
    pass


def make_model():
    parameters = {}
    for name, shape in INPUTS.items():
        type = Type.f32 if len(name) == 1 else Type.dynamic if "cache" in name else Type.i32
        parameters[name] = opset.parameter(PartialShape(shape), type, name=name)
        parameters[name].get_output_tensor(0).set_names({name})
    *tensors, most = parameters.values()
    number = lambda value, type=numpy.int32: opset.constant(type(value))
    none = lambda type=numpy.int32: opset.constant(numpy.zeros([0], type))
    arguments = [*tensors, number(DIM**-0.5, numpy.float32),
                 number(0), none(numpy.float32), most, number(0),                          # window, slopes, context, scores
                 none(), none(), none(numpy.float32),                                      # rotation of blocks
                 none(numpy.float32), number(128), number(16),                             # sparse prefill
                 none(numpy.float32), number(0), none(), none(), none(),                   # sinks, eviction
                 none(), none(numpy.uint8), none()]                                        # kinds of tokens, masks of drafts
    node = PagedAttention([argument.output(0) for argument in arguments])
    for name, value in (("num_k_heads", HEADS_KV), ("num_v_heads", HEADS_KV), ("k_head_size", DIM), ("v_head_size", DIM)):
        node.get_rt_info()[name] = value
    return openvino.Model([opset.result(node.output(0))], list(parameters.values()), "peer")


class Attend:
    def __init__(self, type, tokens, threads):
        if type not in TYPES:
            raise Refused(f"OpenVINO has no cache like {type}")
        cache, compute = TYPES[type]
        options = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "KEY_CACHE_PRECISION": cache, "VALUE_CACHE_PRECISION": cache,
                   "INFERENCE_PRECISION_HINT": compute}
        try:
            self.model = openvino.Core().compile_model(make_model(), "CPU", options)
        except RuntimeError as error:
            raise Refused(f"OpenVINO does not compile it: {str(error).strip().splitlines()[-1]}") from error
        self.tokens, self.requests = tokens, []
        block = self.model.input("key_cache.0").partial_shape[2]
        self.block = 32 if type in ("int8", "int4") else block.get_length()  # quantised ones have scales among their rows
        self.blocks = -(-tokens.context // self.block)

    def add_copy(self):
        request, tokens = self.model.create_infer_request(), self.tokens
        self.requests.append(request)
        if len(self.requests) == 1:
            self.caches = {}
            for name in ("key_cache.0", "value_cache.0"):
                place = self.model.input(name)
                shape = [self.blocks] + [size.get_length() for size in list(place.partial_shape)[1:]]
                self.caches[name] = Tensor(place.element_type, shape)
                request.set_tensor(name, self.caches[name])
            for begin in range(0, tokens.context, FILL):
                self.set_step(request, begin, min(begin + FILL, tokens.context), first=begin)
                request.infer()
            self.bytes = sum(cache.byte_size for cache in self.caches.values())
        else:
            for name, cache in self.caches.items():
                copy = Tensor(cache.element_type, cache.shape)
                copy.copy_from(cache)
                request.set_tensor(name, copy)
        self.set_step(request, tokens.context - tokens.queries, tokens.context, first=0)

    def set_step(self, request, begin, end, first):
        """Tokens `begin` to `end` are new, of a sequence that starts with the token `first`."""
        count, blocks = end - begin, list(range(first // self.block, -(-end // self.block)))
        queries = self.tokens.q if count == self.tokens.queries else numpy.zeros((count, HEADS_Q, DIM), numpy.float32)
        for name, array in (("q", queries), ("k", self.tokens.k[begin:end]), ("v", self.tokens.v[begin:end])):
            request.set_tensor(name, Tensor(numpy.ascontiguousarray(array.reshape(count, -1))))
        numbers = {"past_lens": [begin - first], "subsequence_begins": [0, count], "block_indices": blocks,
                   "block_indices_begins": [0, len(blocks)], "max_context_len": end - first}
        for name, value in numbers.items():
            request.set_tensor(name, Tensor(numpy.array(value, numpy.int32)))

    def step(self, copy):
        self.last = self.requests[copy]
        self.last.infer(share_outputs=True)

    def output(self):
        return self.last.get_output_tensor(0).data.copy()
